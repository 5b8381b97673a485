package interop;

import com.nimbusds.jose.util.JSONObjectUtils;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Map;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * What makes an EDS of a judge: where it listens, whom it trusts, and where it keeps what it took.
 *
 * @param port where it listens
 * @param tls with its certificate, and the CAs of clients and of the authorization server
 */
record Eds(int port, SSLContext tls, Gate gate, Shelf shelf) {
  /**
   * The file has `port`; `p12` and `password`, its certificate; `trust`, a PEM file; `issuer`, `audience` and `keys`, the
   * URL of the key set, of the tokens that it takes; and `taken`, a file that it makes.
   */
  static Eds read(Path file) throws Exception {
    Map<String, Object> said = JSONObjectUtils.parse(Files.readString(file));
    var tls = tls(said);
    var gate =
        new Tokens(
            JSONObjectUtils.getString(said, "issuer"),
            JSONObjectUtils.getString(said, "audience"),
            JSONObjectUtils.getString(said, "keys"),
            tls.getSocketFactory());
    var shelf = Shelf.in(Path.of(JSONObjectUtils.getString(said, "taken")));
    return new Eds(JSONObjectUtils.getInt(said, "port"), tls, gate, shelf);
  }

  HttpServer server(InetAddress address) throws IOException {
    var server = HttpsServer.create(new InetSocketAddress(address, port), 0);
    server.setHttpsConfigurator(
        new HttpsConfigurator(tls) {
          @Override
          public void configure(HttpsParameters parameters) {
            var wanted = getSSLContext().getDefaultSSLParameters();
            wanted.setNeedClientAuth(true);
            parameters.setSSLParameters(wanted);
          }
        });
    return server;
  }

  private static SSLContext tls(Map<String, Object> said) throws Exception {
    var password = JSONObjectUtils.getString(said, "password").toCharArray();
    var own = KeyStore.getInstance(Path.of(JSONObjectUtils.getString(said, "p12")).toFile(), password);
    var keys = KeyManagerFactory.getInstance("PKIX");
    keys.init(own, password);
    var trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(trusted(Path.of(JSONObjectUtils.getString(said, "trust"))));
    var context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    return context;
  }

  private static KeyStore trusted(Path pem) throws IOException, GeneralSecurityException {
    var store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    try (var file = Files.newInputStream(pem)) {
      for (var each : CertificateFactory.getInstance("X.509").generateCertificates(file)) {
        store.setCertificateEntry("ca" + store.size(), each);
      }
    }
    return store;
  }
}
