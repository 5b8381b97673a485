package interop;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.parser.DataFormatException;
import ca.uhn.fhir.parser.StrictErrorHandler;
import ca.uhn.fhir.util.VersionUtil;
import ca.uhn.fhir.validation.FhirValidator;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.r4.model.AuditEvent;
import org.hl7.fhir.r4.model.CodeSystem;
import org.hl7.fhir.r4.model.OperationOutcome;
import org.hl7.fhir.r4.model.Resource;
import org.hl7.fhir.r4.model.StructureDefinition;
import org.hl7.fhir.r4.model.ValueSet;

/**
 * Takes AuditEvents as a FHIR server does that validates: POST /AuditEvent is answered with 201, or with 422 and an
 * OperationOutcome. What is no AuditEvent at all, or has an element that there is not, is 400.
 *
 * <p>The profiles are those of a folder, with `profiles/` and `terminology/`; an event has to name one of them.
 */
public final class Judge {
  private final FhirContext context = FhirContext.forR4();
  private final Set<String> profiles = new HashSet<>();
  private final FhirValidator validator;

  private Judge(Path folder) throws IOException {
    context.setParserErrorHandler(new StrictErrorHandler());
    var support = new PrePopulatedValidationSupport(context);
    for (var name : List.of("profiles", "terminology")) {
      try (var files = Files.newDirectoryStream(folder.resolve(name), "*.json")) {
        for (var file : files) {
          add(support, (Resource) context.newJsonParser().parseResource(Files.readString(file)));
        }
      }
    }
    var chain =
        new ValidationSupportChain(
            new DefaultProfileValidationSupport(context),
            new CommonCodeSystemsTerminologyService(context),
            new InMemoryTerminologyServerValidationSupport(context),
            support);
    validator = context.newValidator().registerValidatorModule(new FhirInstanceValidator(chain));
  }

  /** Arguments: the folder. Prints one line of JSON when it is ready; ends when its standard input does. */
  public static void main(String[] args) throws IOException {
    System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn");
    var judge = new Judge(Path.of(args[0]));
    var server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/AuditEvent", judge::answer);
    server.start();
    System.out.printf(
        "{\"url\": \"http://127.0.0.1:%d/AuditEvent\", \"hapi\": \"%s\", \"java\": \"%s\"}%n",
        server.getAddress().getPort(), VersionUtil.getVersion(), System.getProperty("java.version"));
    System.in.readAllBytes();
    server.stop(0);
  }

  private void add(PrePopulatedValidationSupport support, Resource resource) {
    if (resource instanceof StructureDefinition definition) {
      support.addStructureDefinition(definition);
      profiles.add(definition.getUrl());
    } else if (resource instanceof CodeSystem || resource instanceof ValueSet) {
      support.addResource(resource);
    }
  }

  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      var body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
      int status;
      OperationOutcome outcome;
      try {
        outcome = judged(body);
        status = rejects(outcome) ? 422 : 201;
      } catch (DataFormatException | ClassCastException | IllegalArgumentException error) {
        outcome = error("structure", String.valueOf(error.getMessage()));
        status = 400;
      }
      var said = context.newJsonParser().encodeResourceToString(outcome).getBytes(StandardCharsets.UTF_8);
      exchange.getResponseHeaders().set("Content-Type", "application/fhir+json");
      exchange.sendResponseHeaders(status, said.length);
      exchange.getResponseBody().write(said);
    }
  }

  private OperationOutcome judged(String body) {
    var event = context.newJsonParser().parseResource(AuditEvent.class, body);
    if (event.getMeta().getProfile().stream().noneMatch(each -> profiles.contains(each.getValue()))) {
      return error("required", "meta.profile names no profile of EDS");
    }
    return (OperationOutcome) validator.validateWithResult(body).toOperationOutcome();
  }

  private static boolean rejects(OperationOutcome outcome) {
    return outcome.getIssue().stream()
        .anyMatch(
            each ->
                each.getSeverity() == OperationOutcome.IssueSeverity.ERROR
                    || each.getSeverity() == OperationOutcome.IssueSeverity.FATAL);
  }

  private static OperationOutcome error(String code, String diagnostics) {
    var outcome = new OperationOutcome();
    outcome
        .addIssue()
        .setSeverity(OperationOutcome.IssueSeverity.ERROR)
        .setCode(OperationOutcome.IssueType.fromCode(code))
        .setDiagnostics(diagnostics);
    return outcome;
  }
}
