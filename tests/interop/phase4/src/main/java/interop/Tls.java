package interop;

import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** The TLS context of a client or a server: a key to show (null: none), and whom it trusts. */
final class Tls {
    private Tls() {}

    static SSLContext context(KeyRing.Identity identity, List<Path> trusted)
            throws GeneralSecurityException, IOException {
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        if (identity == null) {
            KeyStore none = KeyStore.getInstance("JKS");
            none.load(null, null);
            keys.init(none, new char[0]);
        } else {
            keys.init(identity.store(), identity.password());
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(KeyRing.trustStore(trusted));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }
}
