package interop;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.helger.peppol.smp.ISMPTransportProfile;
import com.helger.peppol.smp.SMPTransportProfile;
import com.helger.peppol.commons.CPeppolCommonsVersion;
import com.helger.peppolid.factory.SimpleIdentifierFactory;
import com.helger.smpclient.url.BDXLURLProvider;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;

/**
 * The clients of peppol-commons for tests: {@code java -jar smp-client.jar CONFIG.json}.
 *
 * <p>Prints its versions, then answers each line of stdin ({@link Ask}) by a line ({@link Told}); ends when stdin does.
 */
public final class SmpClient {
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();

    private final Map<String, Dialect> dialects;

    private SmpClient(Keys keys) {
        dialects = Map.of("peppol", new Peppol(keys), "oasis1", new Oasis1(keys), "oasis2", new Oasis2(keys));
    }

    /** @param arguments the configuration file */
    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 1) {
            System.err.println("usage: java -jar smp-client.jar CONFIG.json");
            System.exit(2);
        }
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn");
        Config config = JSON.readValue(Path.of(arguments[0]).toFile(), Config.class);
        System.setProperty("dns.server", config.dns()); // of dnsjava; the library itself takes addresses without ports
        SmpClient client = new SmpClient(new Keys(config));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        String java = System.getProperty("java.version");
        out.println(JSON.writeValueAsString(Map.of("java", java, "client", CPeppolCommonsVersion.BUILD_VERSION)));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.println(JSON.writeValueAsString(client.answer(JSON.readValue(line, Ask.class))));
        }
        System.exit(0);
    }

    static ISMPTransportProfile profile(Ask ask) {
        return new SMPTransportProfile(ask.profile(), ask.profile());
    }

    private Told answer(Ask ask) {
        try {
            return switch (ask.ask()) {
                case "name" -> Told.name(BDXLURLProvider.INSTANCE.getDNSNameOfParticipant(
                        ask.participant(SimpleIdentifierFactory.INSTANCE), ask.zone()));
                case "where" -> Told.url(smp(ask).toString());
                case "group" -> dialects.get(ask.dialect()).group(smp(ask), ask);
                case "metadata" -> dialects.get(ask.dialect()).metadata(smp(ask), ask);
                case "endpoint" -> dialects.get(ask.dialect()).endpoint(smp(ask), ask);
                default -> throw new IllegalArgumentException("nothing is asked by " + ask.ask());
            };
        } catch (Exception thrown) {
            return Told.refused(thrown);
        }
    }

    private static URI smp(Ask ask) throws Exception {
        return ask.smp() != null
                ? URI.create(ask.smp())
                : BDXLURLProvider.INSTANCE.getSMPURIOfParticipant(
                        ask.participant(SimpleIdentifierFactory.INSTANCE), ask.zone());
    }
}
