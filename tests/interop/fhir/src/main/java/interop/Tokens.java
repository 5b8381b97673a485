package interop;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.Base64URL;
import com.nimbusds.jose.util.DefaultResourceRetriever;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpsExchange;
import java.net.URI;
import java.net.URL;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.text.ParseException;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSocketFactory;
import org.hl7.fhir.r4.model.AuditEvent;
import org.hl7.fhir.r4.model.AuditEvent.AuditEventAgentComponent;
import org.hl7.fhir.r4.model.Identifier;

/**
 * Admits who shows a token that is bound to the client certificate of the connection, for what it says: one organisation
 * and one device (security architecture of EHMI's services, v0.98). The keys of the authorization server are asked for
 * when they are needed.
 */
final class Tokens implements Gate {
  private static final Set<String> SCOPE = Set.of("EDS", "system/AuditEvent.crs");
  private static final String GLN = "http://medcomehmi.dk/ig/eds/StructureDefinition/eds-otherId";
  private static final int TIMEOUT = 2000; // milliseconds
  private static final int LARGEST = 100_000; // bytes of a key set

  private final DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();

  Tokens(String issuer, String audience, String keys, SSLSocketFactory tls) throws Exception {
    URL url = URI.create(keys).toURL();
    var retriever = new DefaultResourceRetriever(TIMEOUT, TIMEOUT, LARGEST, true, tls);
    var source = JWKSourceBuilder.create(url, retriever).rateLimited(false).build();
    processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.PS256, source));
    var exact = new JWTClaimsSet.Builder().issuer(issuer).build();
    var verifier = new DefaultJWTClaimsVerifier<SecurityContext>(audience, exact, Set.of("exp", "scope"));
    verifier.setMaxClockSkew(0);
    processor.setJWTClaimsSetVerifier(verifier);
  }

  @Override
  public Permit admit(HttpExchange exchange) throws Refused {
    var shown = exchange.getRequestHeaders().getFirst("Authorization");
    if (shown == null || !shown.startsWith("Bearer ")) {
      throw new Refused(401, "login", "no token", Map.of("WWW-Authenticate", "Bearer"));
    }
    try {
      var claims = processor.process(shown.substring("Bearer ".length()), null);
      if (!bound(claims, (HttpsExchange) exchange)) {
        throw challenge(401, "invalid_token", "the token is not bound to this client certificate");
      }
      var scope = Set.of(claims.getStringClaim("scope").split(" "));
      if (!scope.containsAll(SCOPE)) {
        throw challenge(403, "insufficient_scope", "the token's scope is not that of EDS");
      }
      var organisation = Objects.requireNonNullElse(claims.getJSONObjectClaim("ehmi:org_context"), Map.of());
      var device = claims.getStringClaim("ehmi:eer:device_id");
      return event -> permit(event, organisation, device);
    } catch (ParseException | BadJOSEException | IllegalArgumentException error) {
      throw challenge(401, "invalid_token", String.valueOf(error.getMessage()));
    } catch (JOSEException error) {
      var what = "the keys of the authorization server cannot be had";
      throw new Refused(503, "transient", what, Map.of("Retry-After", "7"));
    }
  }

  /** RFC 8705 3.1: the thumbprint in the token is that of the certificate on the connection. */
  private static boolean bound(JWTClaimsSet claims, HttpsExchange exchange) throws ParseException {
    var confirmation = claims.getJSONObjectClaim("cnf");
    try {
      var certificate = exchange.getSSLSession().getPeerCertificates()[0].getEncoded();
      var thumbprint = Base64URL.encode(MessageDigest.getInstance("SHA-256").digest(certificate));
      return confirmation != null && thumbprint.toString().equals(confirmation.get("x5t#S256"));
    } catch (SSLPeerUnverifiedException | GeneralSecurityException error) {
      return false;
    }
  }

  private static void permit(AuditEvent event, Map<?, ?> organisation, String device) throws Refused {
    var ours = event.getAgent().stream().anyMatch(each -> is(each, organisation));
    var observer = event.getSource().getObserver().getIdentifier().getValue();
    if (!ours || device == null || !device.equals(observer)) {
      var what = "the token is for another organisation or device than the event";
      throw new Refused(403, "forbidden", what, Map.of());
    }
  }

  /** By SOR code and GLN; a token that names none is for nobody. */
  private static boolean is(AuditEventAgentComponent agent, Map<?, ?> organisation) {
    var sor = agent.getWho().getIdentifier().getValue();
    var gln = agent.getExtensionByUrl(GLN);
    return sor != null
        && sor.equals(organisation.get("sor"))
        && gln != null
        && gln.getValue() instanceof Identifier identifier
        && identifier.getValue() != null
        && identifier.getValue().equals(organisation.get("gln"));
  }

  /** RFC 6750 3. */
  private static Refused challenge(int status, String error, String what) {
    var code = status == 401 ? "login" : "forbidden";
    return new Refused(status, code, what, Map.of("WWW-Authenticate", "Bearer error=\"" + error + "\""));
  }
}
