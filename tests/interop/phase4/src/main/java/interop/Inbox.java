package interop;

import com.helger.collection.commons.ICommonsList;
import com.helger.http.header.HttpHeaderMap;
import com.helger.phase4.attachment.WSS4JAttachment;
import com.helger.phase4.ebms3header.Ebms3CollaborationInfo;
import com.helger.phase4.ebms3header.Ebms3PartInfo;
import com.helger.phase4.ebms3header.Ebms3SignalMessage;
import com.helger.phase4.ebms3header.Ebms3UserMessage;
import com.helger.phase4.error.AS4ErrorList;
import com.helger.phase4.incoming.IAS4IncomingMessageMetadata;
import com.helger.phase4.incoming.IAS4IncomingMessageState;
import com.helger.phase4.incoming.spi.AS4MessageProcessorResult;
import com.helger.phase4.incoming.spi.AS4SignalMessageProcessorResult;
import com.helger.phase4.incoming.spi.IAS4IncomingMessageProcessorSPI;
import com.helger.phase4.model.error.EEbmsError;
import com.helger.phase4.model.pmode.IPMode;
import interop.Ebms.Agreement;
import interop.Ebms.Party;
import interop.Ebms.Property;
import interop.Ebms.Service;
import interop.Received.Payload;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.w3c.dom.Node;

/** What phase4 found right, decrypted and inflated comes here; refuses what is less than {@link Accept} demands. */
final class Inbox implements IAS4IncomingMessageProcessorSPI {

    /** The least that is taken (null: true): phase4 itself takes anything. */
    record Accept(Boolean requireSigned, Boolean requireEncrypted) {
        Accept {
            requireSigned = requireSigned == null || requireSigned;
            requireEncrypted = requireEncrypted == null || requireEncrypted;
        }
    }

    private final Path folder;
    private final boolean store;
    private final AtomicLong numbers = new AtomicLong();
    private final List<Received> messages = new ArrayList<>();
    private volatile Accept accept = new Accept(true, true);

    /** `store` false: payloads are digested and dropped. */
    Inbox(Path folder, boolean store) {
        this.folder = folder;
        this.store = store;
    }

    void accept(Accept least) {
        accept = least;
    }

    /** How many there were in all. */
    long count() {
        return numbers.get();
    }

    /** The deliveries of a message, or of all (null). */
    synchronized List<Received> find(String messageId) {
        return messages.stream()
                .filter(message -> messageId == null || messageId.equals(message.messageId()))
                .toList();
    }

    /** Drop everything that was received, files too. */
    synchronized void forget() throws IOException {
        for (Received message : messages) {
            for (Payload payload : message.payloads()) {
                if (payload.file() != null) {
                    Files.deleteIfExists(payload.file());
                }
            }
        }
        messages.clear();
    }

    @Override
    public AS4MessageProcessorResult processAS4UserMessage(
            IAS4IncomingMessageMetadata metadata,
            HttpHeaderMap headers,
            Ebms3UserMessage message,
            IPMode pmode,
            Node body,
            ICommonsList<WSS4JAttachment> attachments,
            IAS4IncomingMessageState state,
            AS4ErrorList errors) {
        Accept least = accept;
        String missing = least.requireSigned() && !state.isSoapSignatureChecked()
                ? "signed"
                : least.requireEncrypted() && !state.isSoapDecrypted() ? "encrypted" : null;
        if (missing != null) {
            errors.add(EEbmsError.EBMS_POLICY_NONCOMPLIANCE
                    .errorBuilder(state.getLocale())
                    .refToMessageInError(state.getMessageID())
                    .errorDetail("The message is not " + missing + ", as this access point demands")
                    .build());
            return AS4MessageProcessorResult.createFailure();
        }
        try {
            keep(message, attachments, state);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return AS4MessageProcessorResult.createSuccess();
    }

    private void keep(Ebms3UserMessage message, List<WSS4JAttachment> attachments, IAS4IncomingMessageState state)
            throws IOException {
        long number = numbers.incrementAndGet();
        List<Payload> payloads = new ArrayList<>();
        if (attachments != null) {
            for (WSS4JAttachment attachment : attachments) {
                payloads.add(payload(message, attachment, number + "-" + (payloads.size() + 1)));
            }
        }
        Ebms3CollaborationInfo info = message.getCollaborationInfo();
        Received received = new Received(
                message.getMessageInfo().getMessageId(),
                Party.of(message.getPartyInfo().getFrom()),
                Party.of(message.getPartyInfo().getTo()),
                Service.of(info.getService()),
                info.getAction(),
                Agreement.of(info.getAgreementRef()),
                info.getConversationId(),
                message.getMessageInfo().getRefToMessageId(),
                message.getMessageProperties() == null
                        ? List.of()
                        : Property.of(message.getMessageProperties().getProperty()),
                payloads,
                state.isSoapSignatureChecked(),
                state.isSoapDecrypted(),
                KeyRing.sha256(state.getSigningCertificate()),
                Received.isTest(info));
        synchronized (this) {
            messages.add(received);
        }
    }

    private Payload payload(Ebms3UserMessage message, WSS4JAttachment attachment, String name) throws IOException {
        Path file = store ? folder.resolve(name) : null;
        MessageDigest digest = KeyRing.sha256();
        long size;
        try (InputStream in = attachment.getSourceStream();
                OutputStream out = new DigestOutputStream(
                        store ? Files.newOutputStream(file) : OutputStream.nullOutputStream(), digest)) {
            size = in.transferTo(out);
        }
        List<Property> properties = properties(message, attachment.getId());
        return new Payload(
                file,
                size,
                HexFormat.of().formatHex(digest.digest()),
                value(properties, "MimeType"),
                value(properties, "CharacterSet"),
                attachment.getCompressionMode() != null,
                properties,
                attachment.getId());
    }

    private static List<Property> properties(Ebms3UserMessage message, String contentId) {
        for (Ebms3PartInfo part : message.getPayloadInfo().getPartInfo()) {
            if (("cid:" + contentId).equals(part.getHref()) && part.getPartProperties() != null) {
                return Property.of(part.getPartProperties().getProperty());
            }
        }
        return List.of();
    }

    private static String value(List<Property> properties, String name) {
        return properties.stream()
                .filter(property -> property.name().equals(name))
                .map(Property::value)
                .findFirst()
                .orElse(null);
    }

    @Override
    public AS4SignalMessageProcessorResult processAS4SignalMessage(
            IAS4IncomingMessageMetadata metadata,
            HttpHeaderMap headers,
            Ebms3SignalMessage signal,
            IPMode pmode,
            IAS4IncomingMessageState state,
            AS4ErrorList errors) {
        return AS4SignalMessageProcessorResult.createSuccess();
    }

    @Override
    public void processAS4ResponseMessage(
            IAS4IncomingMessageMetadata metadata,
            IAS4IncomingMessageState state,
            String messageId,
            byte[] response,
            boolean available,
            AS4ErrorList errors) {}
}
