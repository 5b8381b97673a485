package interop;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.parser.StrictErrorHandler;
import ca.uhn.fhir.validation.FhirValidator;
import java.io.IOException;
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

/** The profiles of a folder, with `profiles/` and `terminology/`, and HAPI's judgement by them. */
final class Profiles {
  private final FhirContext context = FhirContext.forR4();
  private final Set<String> urls = new HashSet<>();
  private final FhirValidator validator;

  Profiles(Path folder) throws IOException {
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
    validator.validateWithResult("{\"resourceType\": \"AuditEvent\"}"); // reads FHIR's own definitions, for seconds
  }

  private void add(PrePopulatedValidationSupport support, Resource resource) {
    if (resource instanceof StructureDefinition definition) {
      support.addStructureDefinition(definition);
      urls.add(definition.getUrl());
    } else if (resource instanceof CodeSystem || resource instanceof ValueSet) {
      support.addResource(resource);
    }
  }

  /** Throws DataFormatException, ClassCastException or IllegalArgumentException where it is none. */
  AuditEvent read(String body) {
    return context.newJsonParser().parseResource(AuditEvent.class, body);
  }

  /** An event has to name one of the profiles. */
  OperationOutcome judged(AuditEvent event, String body) {
    if (event.getMeta().getProfile().stream().noneMatch(each -> urls.contains(each.getValue()))) {
      return error("required", "meta.profile names no profile of EDS");
    }
    return (OperationOutcome) validator.validateWithResult(body).toOperationOutcome();
  }

  String text(Resource resource) {
    return context.newJsonParser().encodeResourceToString(resource);
  }

  static boolean rejects(OperationOutcome outcome) {
    return outcome.getIssue().stream()
        .anyMatch(
            each ->
                each.getSeverity() == OperationOutcome.IssueSeverity.ERROR
                    || each.getSeverity() == OperationOutcome.IssueSeverity.FATAL);
  }

  static OperationOutcome error(String code, String diagnostics) {
    var outcome = new OperationOutcome();
    outcome
        .addIssue()
        .setSeverity(OperationOutcome.IssueSeverity.ERROR)
        .setCode(OperationOutcome.IssueType.fromCode(code))
        .setDiagnostics(diagnostics);
    return outcome;
  }
}
