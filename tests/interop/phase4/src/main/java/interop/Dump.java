package interop;

import com.helger.http.header.HttpHeaderMap;
import com.helger.phase4.client.AS4ClientSentMessage;
import com.helger.phase4.dump.IAS4OutgoingDumper;
import com.helger.phase4.incoming.IAS4IncomingMessageMetadata;
import com.helger.phase4.incoming.IAS4IncomingMessageState;
import com.helger.phase4.messaging.EAS4MessageMode;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Request and answer of one message as they were on the wire: a block of HTTP headers, an empty line, the body. */
final class Dump implements IAS4OutgoingDumper {
    private final Path request;
    private final Path response;

    Dump(Path folder, long number) {
        request = folder.resolve("%06d-request".formatted(number));
        response = folder.resolve("%06d-response".formatted(number));
    }

    Path requestFile() {
        return Files.exists(request) ? request : null;
    }

    Path responseFile() {
        return Files.exists(response) ? response : null;
    }

    /** The first attempt alone; `headers` is null for a bare envelope, whose type the HTTP client writes. */
    @Override
    public OutputStream onBeginRequest(
            EAS4MessageMode mode,
            IAS4IncomingMessageMetadata metadata,
            IAS4IncomingMessageState state,
            String messageId,
            HttpHeaderMap headers,
            int attempt)
            throws IOException {
        if (attempt > 0) {
            return null;
        }
        OutputStream out = new BufferedOutputStream(Files.newOutputStream(request));
        write(out, headers == null ? "Content-Type: application/soap+xml; charset=UTF-8\r\n" : lines(headers));
        return out;
    }

    @Override
    public void onEndRequest(
            EAS4MessageMode mode,
            IAS4IncomingMessageMetadata metadata,
            IAS4IncomingMessageState state,
            String messageId,
            Exception caught) {}

    /** The body as the HTTP client gives it: without chunks and Content-Encoding. */
    void response(AS4ClientSentMessage<byte[]> answer) {
        try (OutputStream out = Files.newOutputStream(response)) {
            write(out, lines(answer.getResponseHeaders()));
            if (answer.hasResponseContent()) {
                out.write(answer.getResponseContent());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void write(OutputStream out, String headers) throws IOException {
        out.write((headers + "\r\n").getBytes(StandardCharsets.ISO_8859_1));
    }

    private static String lines(HttpHeaderMap headers) {
        StringBuilder lines = new StringBuilder();
        headers.forEachSingleHeader((name, value) -> lines.append(name).append(": ").append(value).append("\r\n"), true);
        return lines.toString();
    }
}
