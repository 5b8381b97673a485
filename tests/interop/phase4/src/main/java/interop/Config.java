package interop;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * What CONFIG.json says.
 *
 * @param dir an empty folder of this process alone: received payloads, dumps, temporary files
 * @param keys by name; {@code main} signs receipts and decrypts
 * @param trust PEM files, each with one or more CA or end entity certificates
 * @param tls the HTTPS listener; null: none
 * @param store whether received payloads are written to {@code dir}; false: digested and dropped. True when absent
 */
record Config(Path dir, Map<String, Pkcs12> keys, List<Path> trust, Listener tls, Boolean store) {

    Config {
        if (dir == null || keys == null || !keys.containsKey("main")) {
            throw new BadRequest("CONFIG needs dir and keys, and among these one named main");
        }
        trust = trust == null ? List.of() : trust;
        store = store == null || store;
    }

    /** A private key with its chain; {@code alias} null: the file's only one. */
    record Pkcs12(Path p12, String password, String alias) {}

    /** The key of the HTTPS listener, and the PEM files of who may be its client. */
    record Listener(Path p12, String password, List<Path> clientTrust) {
        Listener {
            clientTrust = clientTrust == null ? List.of() : clientTrust;
        }
    }
}
