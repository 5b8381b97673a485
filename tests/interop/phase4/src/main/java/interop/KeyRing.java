package interop;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.Certificate;
import java.security.cert.CertificateEncodingException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The private keys by name, and whom we trust. */
final class KeyRing {

    /** One private key with its chain, in a key store of its own. */
    record Identity(KeyStore store, String alias, char[] password) {}

    private final Map<String, Identity> identities = new TreeMap<>();
    private final KeyStore trust;

    KeyRing(Map<String, Config.Pkcs12> keys, List<Path> trusted) throws GeneralSecurityException, IOException {
        for (Map.Entry<String, Config.Pkcs12> entry : keys.entrySet()) {
            Config.Pkcs12 file = entry.getValue();
            identities.put(entry.getKey(), load(file.p12(), file.password(), file.alias()));
        }
        trust = trustStore(trusted);
    }

    KeyStore trust() {
        return trust;
    }

    Identity identity(String name) {
        Identity found = identities.get(name);
        if (found == null) {
            throw new BadRequest("no key is named " + name + "; there are " + identities.keySet());
        }
        return found;
    }

    /**
     * The key of a PKCS#12 file; `alias` null: its only one.
     *
     * <p>It is moved to a key store whose keys cost nothing to take out: WSS4J takes it out anew for every message, and in
     * PKCS#12 each time is some thousand rounds of PBKDF2.
     */
    static Identity load(Path p12, String password, String alias) throws GeneralSecurityException, IOException {
        char[] secret = password.toCharArray();
        KeyStore file = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(p12)) {
            file.load(in, secret);
        }
        String chosen = alias != null ? alias : onlyKey(file, p12);
        Key key = file.getKey(chosen, secret);
        if (key == null) {
            throw new BadRequest(p12 + " has no private key " + chosen);
        }
        KeyStore store = KeyStore.getInstance("JKS");
        store.load(null, null);
        store.setKeyEntry(chosen, key, secret, file.getCertificateChain(chosen));
        return new Identity(store, store.aliases().nextElement(), secret);
    }

    private static String onlyKey(KeyStore store, Path p12) throws GeneralSecurityException {
        List<String> found = new ArrayList<>();
        for (String alias : Collections.list(store.aliases())) {
            if (store.isKeyEntry(alias)) {
                found.add(alias);
            }
        }
        if (found.size() != 1) {
            throw new BadRequest(p12 + " has the keys " + found + ": name one by alias");
        }
        return found.get(0);
    }

    /** A trust store of all certificates in PEM files. */
    static KeyStore trustStore(List<Path> files) throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("JKS");
        store.load(null, null);
        for (Path file : files) {
            for (Certificate certificate : certificates(file)) {
                store.setCertificateEntry("trusted-" + store.size(), certificate);
            }
        }
        return store;
    }

    /** The first certificate of a PEM file. */
    static X509Certificate certificate(Path file) throws GeneralSecurityException, IOException {
        return certificates(file).get(0);
    }

    private static List<X509Certificate> certificates(Path file) throws GeneralSecurityException, IOException {
        try (InputStream in = Files.newInputStream(file)) {
            List<X509Certificate> found = new ArrayList<>();
            for (Certificate certificate : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                found.add((X509Certificate) certificate);
            }
            if (found.isEmpty()) {
                throw new BadRequest(file + " has no certificate");
            }
            return found;
        }
    }

    /** Lower-case hex SHA-256 of the certificate's DER; null for none. */
    static String sha256(X509Certificate certificate) {
        try {
            return certificate == null ? null : sha256(certificate.getEncoded());
        } catch (CertificateEncodingException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Lower-case hex SHA-256. */
    static String sha256(byte[] bytes) {
        return HexFormat.of().formatHex(sha256().digest(bytes));
    }

    /** SHA-256, to be fed. */
    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }
}
