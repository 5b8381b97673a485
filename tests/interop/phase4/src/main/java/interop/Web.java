package interop;

import com.helger.http.EHttpMethod;
import com.helger.phase4.crypto.AS4CryptoFactoryInMemoryKeyStore;
import com.helger.phase4.crypto.IAS4CryptoFactory;
import com.helger.phase4.incoming.AS4IncomingProfileSelectorConstant;
import com.helger.phase4.incoming.AS4RequestHandler;
import com.helger.phase4.incoming.AS4ServerInitializer;
import com.helger.phase4.incoming.mgr.AS4ProfileSelector;
import com.helger.phase4.model.pmode.resolve.AS4DefaultPModeResolver;
import com.helger.phase4.servlet.AS4UnifiedResponse;
import com.helger.phase4.servlet.AS4XServletHandler;
import com.helger.phase4.servlet.IAS4ServletRequestHandlerCustomizer;
import com.helger.collection.commons.CommonsArrayList;
import com.helger.web.scope.IRequestWebScopeWithoutResponse;
import com.helger.web.scope.mgr.WebScopeManager;
import com.helger.xservlet.AbstractXServlet;
import jakarta.servlet.ServletContextEvent;
import jakarta.servlet.ServletContextListener;
import java.io.IOException;
import java.security.GeneralSecurityException;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.SecureRequestCustomizer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.ssl.SslContextFactory;

/** The HTTP server: AS4 at /as4, the control interface beside it, and AS4 over HTTPS on a port of its own. */
final class Web {
    private static final String HOST = "127.0.0.1";

    private final Server server = new Server();
    private final ServerConnector plain;
    private final ServerConnector secure;

    Web(Config config, KeyRing keys, Inbox inbox, Sender sender)
            throws GeneralSecurityException, IOException {
        plain = connector(new ServerConnector(server));
        secure = config.tls() == null ? null : connector(https(config.tls()));
        ServletContextHandler context = new ServletContextHandler();
        context.addEventListener(new Phase4(keys, inbox, new Control(inbox, sender, new Verifier(keys))));
        server.setHandler(context);
    }

    void start() throws Exception {
        server.start();
    }

    void stop() throws Exception {
        server.stop();
    }

    String url() {
        return "http://" + HOST + ":" + plain.getLocalPort();
    }

    /** Null without a TLS listener. */
    String secureUrl() {
        return secure == null ? null : "https://" + HOST + ":" + secure.getLocalPort();
    }

    private ServerConnector connector(ServerConnector connector) {
        connector.setHost(HOST);
        server.addConnector(connector);
        return connector;
    }

    private ServerConnector https(Config.Listener listener) throws GeneralSecurityException, IOException {
        SslContextFactory.Server tls = new SslContextFactory.Server();
        KeyRing.Identity identity = KeyRing.load(listener.p12(), listener.password(), null);
        tls.setSslContext(Tls.context(identity, listener.clientTrust()));
        tls.setNeedClientAuth(true);
        HttpConfiguration configuration = new HttpConfiguration();
        // Whether the certificate fits the name is for the client to judge.
        configuration.addCustomizer(new SecureRequestCustomizer(false));
        return new ServerConnector(server, tls, new HttpConnectionFactory(configuration));
    }

    /** phase4 in this web application. Its servlet needs the global scope in its constructor, so it is made here. */
    private record Phase4(KeyRing keys, Inbox inbox, Control control) implements ServletContextListener {
        @Override
        public void contextInitialized(ServletContextEvent event) {
            WebScopeManager.onGlobalBegin(event.getServletContext());
            AS4ServerInitializer.initAS4Server();
            Profile.register();
            AS4ProfileSelector.setCustomDefaultAS4ProfileID(Profile.ID);
            KeyRing.Identity main = keys.identity("main");
            IAS4CryptoFactory crypto = new AS4CryptoFactoryInMemoryKeyStore(
                    main.store(), main.alias(), main.password(), keys.trust());
            event.getServletContext()
                    .addServlet("as4", new As4(new Receiver(crypto, inbox)))
                    .addMapping("/as4");
            event.getServletContext()
                    .addServlet("control", control)
                    .addMapping("/");
        }

        @Override
        public void contextDestroyed(ServletContextEvent event) {
            AS4ServerInitializer.shutdownAS4Server();
            WebScopeManager.onGlobalEnd();
        }
    }

    /** phase4's AS4Servlet takes no settings; this is the same with them. */
    private static final class As4 extends AbstractXServlet {
        private static final long serialVersionUID = 1L;

        As4(Receiver receiver) {
            settings().setMultipartEnabled(false);
            handlerRegistry()
                    .registerHandler(EHttpMethod.POST, new AS4XServletHandler().setRequestHandlerCustomizer(receiver));
        }
    }

    /** What phase4 is told before each request. */
    private record Receiver(IAS4CryptoFactory crypto, Inbox inbox) implements IAS4ServletRequestHandlerCustomizer {
        @Override
        public void customizeBeforeHandling(
                IRequestWebScopeWithoutResponse scope, AS4UnifiedResponse response, AS4RequestHandler request) {
            request.setCryptoFactory(crypto);
            request.setPModeResolver(new AS4DefaultPModeResolver(Profile.ID));
            request.setIncomingProfileSelector(new AS4IncomingProfileSelectorConstant(Profile.ID, true));
            request.setProcessorSupplier(() -> new CommonsArrayList<>(inbox));
        }

        @Override
        public void customizeAfterHandling(
                IRequestWebScopeWithoutResponse scope, AS4UnifiedResponse response, AS4RequestHandler request) {}
    }
}
