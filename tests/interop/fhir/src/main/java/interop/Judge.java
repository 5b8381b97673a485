package interop;

import ca.uhn.fhir.parser.DataFormatException;
import ca.uhn.fhir.util.VersionUtil;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.hl7.fhir.r4.model.OperationOutcome;

/**
 * Takes AuditEvents as a FHIR server does that validates: POST /AuditEvent is answered with 201, or with 422 and an
 * OperationOutcome. What is no AuditEvent at all, or has an element that there is not, is 400.
 *
 * <p>Without more than a folder of profiles it judges for everybody, over plain HTTP. With the file of an {@link Eds} it is
 * one: it speaks TLS with clients that have a certificate, and takes what their tokens permit.
 */
public final class Judge {
  private final Profiles profiles;
  private final Gate gate;
  private final Shelf shelf;

  private Judge(Profiles profiles, Gate gate, Shelf shelf) {
    this.profiles = profiles;
    this.gate = gate;
    this.shelf = shelf;
  }

  /** Arguments: the folder, and the file of an EDS. Prints a line of JSON when it is ready; ends when its input does. */
  public static void main(String[] args) throws Exception {
    System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn");
    System.setProperty("sun.net.httpserver.nodelay", "true");
    var profiles = new Profiles(Path.of(args[0]));
    var loopback = InetAddress.getLoopbackAddress();
    HttpServer server;
    Judge judge;
    if (args.length == 1) {
      server = HttpServer.create(new InetSocketAddress(loopback, 0), 0);
      judge = new Judge(profiles, Gate.OPEN, Shelf.NONE);
    } else {
      var eds = Eds.read(Path.of(args[1]));
      server = eds.server(loopback);
      judge = new Judge(profiles, eds.gate(), eds.shelf());
    }
    server.createContext("/AuditEvent", judge::answer);
    server.start();
    System.out.printf(
        "{\"port\": %d, \"hapi\": \"%s\", \"java\": \"%s\"}%n",
        server.getAddress().getPort(), VersionUtil.getVersion(), System.getProperty("java.version"));
    System.in.readAllBytes();
    server.stop(0);
  }

  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      try {
        var permit = gate.admit(exchange);
        onlyCreates(exchange);
        var body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        var event = profiles.read(body);
        permit.check(event);
        var outcome = profiles.judged(event, body);
        if (Profiles.rejects(outcome)) {
          say(exchange, 422, outcome, Map.of());
        } else {
          say(exchange, 201, outcome, Map.of("Location", "AuditEvent/" + shelf.put(body)));
        }
      } catch (Refused refused) {
        say(exchange, refused.status, Profiles.error(refused.code, refused.getMessage()), refused.headers);
      } catch (DataFormatException | ClassCastException | IllegalArgumentException error) {
        say(exchange, 400, Profiles.error("structure", String.valueOf(error.getMessage())), Map.of());
      }
    }
  }

  private static void onlyCreates(HttpExchange exchange) throws Refused {
    if (!exchange.getRequestMethod().equals("POST")) {
      throw new Refused(405, "not-supported", "events are created here, and nothing else", Map.of("Allow", "POST"));
    }
    if (!String.valueOf(exchange.getRequestHeaders().getFirst("Content-Type")).startsWith("application/fhir+json")) {
      throw new Refused(415, "not-supported", "events are application/fhir+json", Map.of());
    }
  }

  private void say(HttpExchange exchange, int status, OperationOutcome outcome, Map<String, String> headers)
      throws IOException {
    var said = profiles.text(outcome).getBytes(StandardCharsets.UTF_8);
    headers.forEach(exchange.getResponseHeaders()::set);
    exchange.getResponseHeaders().set("Content-Type", "application/fhir+json");
    exchange.sendResponseHeaders(status, said.length);
    exchange.getResponseBody().write(said);
  }
}
