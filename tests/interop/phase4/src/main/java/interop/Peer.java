package interop;

import com.helger.phase4.CAS4Version;
import com.helger.phase4.util.AS4ResourceHelper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.wss4j.dom.engine.WSSecurityEngine;
import org.slf4j.bridge.SLF4JBridgeHandler;

/** A phase4 access point for tests: {@code java -jar phase4-peer.jar CONFIG.json}; ends when its stdin does. */
public final class Peer {

    /** The one line on stdout, once everything listens. */
    record Ready(String as4, String as4s, String control, String java, String phase4, String wss4j) {}

    private Peer() {}

    /** @param arguments the configuration file */
    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 1) {
            System.err.println("usage: java -jar phase4-peer.jar CONFIG.json");
            System.exit(2);
        }
        quiet();
        Web web = start(Json.MAPPER.readValue(Path.of(arguments[0]).toFile(), Config.class));
        System.out.println(Json.MAPPER.writeValueAsString(ready(web)));
        while (System.in.read() >= 0) {
            // Whatever is said there: only the end counts.
        }
        web.stop();
        System.exit(0);
    }

    /** Warnings and errors to stderr, but for three warnings that come always and mean nothing here. */
    private static void quiet() {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn");
        for (String always : List.of(
                "com.helger.phase4.profile.AS4ProfileManager",
                "org.apache.wss4j.common.crypto.CryptoBase",
                "org.apache.jcp.xml.dsig.internal.dom.DOMReference")) {
            System.setProperty("org.slf4j.simpleLogger.log." + always, "error");
        }
        SLF4JBridgeHandler.removeHandlersForRootLogger();
        SLF4JBridgeHandler.install();
    }

    private static Web start(Config config) throws Exception {
        AS4ResourceHelper.setTempDir(folder(config, "temp").toFile());
        KeyRing keys = new KeyRing(config.keys(), config.trust());
        Inbox inbox = new Inbox(folder(config, "received"), config.store());
        Web web = new Web(config, keys, inbox, new Sender(keys, folder(config, "dumps")));
        web.start();
        return web;
    }

    private static Path folder(Config config, String name) throws IOException {
        return Files.createDirectories(config.dir().resolve(name)).toAbsolutePath();
    }

    private static Ready ready(Web web) {
        return new Ready(
                web.url() + "/as4",
                web.secureUrl() == null ? null : web.secureUrl() + "/as4",
                web.url(),
                System.getProperty("java.version"),
                CAS4Version.BUILD_VERSION,
                WSSecurityEngine.class.getPackage().getImplementationVersion());
    }
}
