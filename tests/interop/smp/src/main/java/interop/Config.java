package interop;

import java.nio.file.Path;
import java.util.List;

/**
 * @param trust PEM files: whom the signers of metadata may be issued by
 * @param tls the client certificate, and PEM files: whom TLS servers may be issued by
 * @param dns HOST:PORT of the DNS server
 */
record Config(List<Path> trust, Tls tls, String dns) {
    record Tls(Path p12, String password, List<Path> trust) {}
}
