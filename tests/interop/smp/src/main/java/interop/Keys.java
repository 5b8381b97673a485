package interop;

import com.helger.smpclient.httpclient.AbstractGenericSMPClient;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.List;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Whom the clients trust, and what they show. By itself the library trusts any TLS server. */
final class Keys {
    private final KeyStore signers;
    private final SSLContext known;
    private final SSLContext anonymous;

    Keys(Config config) throws GeneralSecurityException, IOException {
        signers = trustStore(config.trust());
        char[] password = config.tls().password().toCharArray();
        KeyStore own = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(config.tls().p12())) {
            own.load(in, password);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(own, password);
        KeyStore servers = trustStore(config.tls().trust());
        known = context(keys.getKeyManagers(), servers);
        anonymous = context(new KeyManager[0], servers);
    }

    <C extends AbstractGenericSMPClient<C>> C given(C client, Ask ask) {
        client.httpClientSettings().setSSLContext(ask.anonymous() ? anonymous : known);
        client.httpClientSettings().setRetryCount(0);
        return client.setTrustStore(signers);
    }

    private static SSLContext context(KeyManager[] shown, KeyStore trusted) throws GeneralSecurityException {
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(shown, trust.getTrustManagers(), null);
        return context;
    }

    private static KeyStore trustStore(List<Path> certificates) throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        for (Path path : certificates) {
            try (InputStream in = Files.newInputStream(path)) {
                store.setCertificateEntry(
                        path.toString(), CertificateFactory.getInstance("X.509").generateCertificate(in));
            }
        }
        return store;
    }
}
