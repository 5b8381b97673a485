package interop;

import com.fasterxml.jackson.annotation.JsonInclude;
import interop.Ask.Identifier;
import java.security.cert.CertificateEncodingException;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/** What the library made of a question, one line of JSON. `refused` has its exception and the causes of that. */
@JsonInclude(JsonInclude.Include.NON_NULL)
record Told(
        String name,
        String url,
        Identifier participant,
        Identifier document,
        List<Identifier> documents,
        List<Process> processes,
        Endpoint endpoint,
        List<String> refused) {

    record Process(List<Identifier> identifiers, List<Endpoint> endpoints) {}

    /** @param certificate DER in base64, as the library decoded it */
    record Endpoint(String profile, String url, String certificate, String activates, String expires) {
        static Endpoint of(String profile, String url, X509Certificate certificate, Object activates, Object expires)
                throws CertificateEncodingException {
            return new Endpoint(
                    profile,
                    url,
                    Base64.getEncoder().encodeToString(certificate.getEncoded()),
                    text(activates),
                    text(expires));
        }

        private static String text(Object date) {
            return date == null ? null : date.toString();
        }
    }

    static Told name(String name) {
        return new Told(name, null, null, null, null, null, null, null);
    }

    static Told url(String url) {
        return new Told(null, url, null, null, null, null, null, null);
    }

    static Told group(Identifier participant, List<Identifier> documents) {
        return new Told(null, null, participant, null, documents, null, null, null);
    }

    static Told metadata(Identifier participant, Identifier document, List<Process> processes) {
        return new Told(null, null, participant, document, null, processes, null, null);
    }

    static Told endpoint(Endpoint endpoint) {
        return new Told(null, null, null, null, null, null, endpoint, null);
    }

    static Told refused(Throwable thrown) {
        List<String> words = new ArrayList<>();
        for (Throwable each = thrown; each != null; each = each.getCause()) {
            words.add(each.getClass().getSimpleName() + ": " + each.getMessage());
        }
        return new Told(null, null, null, null, null, null, null, words);
    }
}
