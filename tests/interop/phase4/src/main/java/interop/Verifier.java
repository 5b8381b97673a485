package interop;

import jakarta.mail.BodyPart;
import jakarta.mail.MessagingException;
import jakarta.mail.internet.MimeMultipart;
import jakarta.mail.util.ByteArrayDataSource;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.CallbackHandler;
import javax.xml.XMLConstants;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import org.apache.wss4j.common.WSS4JConstants;
import org.apache.wss4j.common.crypto.Merlin;
import org.apache.wss4j.common.ext.Attachment;
import org.apache.wss4j.common.ext.AttachmentRequestCallback;
import org.apache.wss4j.common.ext.AttachmentResultCallback;
import org.apache.wss4j.common.ext.WSPasswordCallback;
import org.apache.wss4j.common.ext.WSSecurityException;
import org.apache.wss4j.dom.WSConstants;
import org.apache.wss4j.dom.WSDataRef;
import org.apache.wss4j.dom.engine.WSSConfig;
import org.apache.wss4j.dom.engine.WSSecurityEngine;
import org.apache.wss4j.dom.engine.WSSecurityEngineResult;
import org.apache.wss4j.dom.handler.RequestData;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.SAXException;

/**
 * Judges a message by WSS4J alone: no class of phase4 is on this path. MIME is angus-mail's, XML the JDK's.
 *
 * <p>WSS4J judges a whole Security header at once, so it is asked twice, the first time without the Signature: what fails
 * then is the decryption.
 */
final class Verifier {

    /**
     * @param signature "ok", or what is wrong
     * @param decryption "ok", "none" (nothing is encrypted), or what is wrong
     * @param covered URIs of the references of the signature that were verified
     * @param algorithms all algorithms named in the Security header, in the order they first appear
     * @param parts the MIME parts but the root, decrypted (as they came, when that failed); compressed ones still are
     */
    record Verdict(
            String signature,
            String decryption,
            String signerSha256,
            List<String> covered,
            List<String> algorithms,
            List<Part> parts) {}

    /** A MIME part. */
    record Part(String contentId, String sha256, int size) {}

    private final KeyRing keys;

    Verifier(KeyRing keys) {
        this.keys = keys;
    }

    /**
     * @param key name of the key that decrypts; null: main
     * @param contentType of the HTTP body: multipart/related or application/soap+xml
     */
    Verdict verify(String key, String contentType, byte[] body) throws Exception {
        KeyRing.Identity identity = keys.identity(key == null ? "main" : key);
        Parts encrypted = new Parts();
        byte[] root = open(contentType, body, encrypted);
        Parts decrypted = new Parts(encrypted);
        String decryption = decrypt(parse(root), identity, decrypted);
        Document envelope = parse(root);
        Set<String> algorithms = algorithms(envelope);
        X509Certificate signer = null;
        List<String> covered = new ArrayList<>();
        String signature;
        try {
            WSSecurityEngineResult signed = signature(run(envelope, identity, new Parts(encrypted)));
            signature = signed == null ? "there is none" : "ok";
            if (signed != null) {
                signer = (X509Certificate) signed.get(WSSecurityEngineResult.TAG_X509_CERTIFICATE);
                for (Object reference : (List<?>) signed.get(WSSecurityEngineResult.TAG_DATA_REF_URIS)) {
                    covered.add(((WSDataRef) reference).getWsuId());
                }
            }
        } catch (WSSecurityException e) {
            signature = text(e);
        }
        return new Verdict(
                signature, decryption, KeyRing.sha256(signer), covered, List.copyOf(algorithms), decrypted.list());
    }

    private String decrypt(Document envelope, KeyRing.Identity identity, Parts parts) {
        NodeList signatures = envelope.getElementsByTagNameNS(WSS4JConstants.SIG_NS, "Signature");
        while (signatures.getLength() > 0) {
            signatures.item(0).getParentNode().removeChild(signatures.item(0));
        }
        if (envelope.getElementsByTagNameNS(WSS4JConstants.ENC_NS, "EncryptedData").getLength() == 0) {
            return "none";
        }
        try {
            run(envelope, identity, parts);
            return "ok";
        } catch (WSSecurityException e) {
            return text(e);
        }
    }

    private List<WSSecurityEngineResult> run(Document envelope, KeyRing.Identity identity, Parts parts)
            throws WSSecurityException {
        Merlin crypto = new Merlin(false, null);
        crypto.setKeyStore(identity.store());
        crypto.setTrustStore(keys.trust());
        RequestData request = new RequestData();
        request.setWssConfig(WSSConfig.getNewInstance());
        request.setSigVerCrypto(crypto);
        request.setDecCrypto(crypto);
        request.setAttachmentCallbackHandler(parts);
        request.setCallbackHandler(callbacks -> {
            for (Callback callback : callbacks) {
                ((WSPasswordCallback) callback).setPassword(new String(identity.password()));
            }
        });
        var results = new WSSecurityEngine().processSecurityHeader(envelope, request);
        return results == null ? List.of() : results.getResults();
    }

    private static WSSecurityEngineResult signature(List<WSSecurityEngineResult> results) {
        for (WSSecurityEngineResult result : results) {
            if (Integer.valueOf(WSConstants.SIGN).equals(result.get(WSSecurityEngineResult.TAG_ACTION))) {
                return result;
            }
        }
        return null;
    }

    private static Set<String> algorithms(Document envelope) {
        Set<String> found = new LinkedHashSet<>();
        NodeList headers = envelope.getElementsByTagNameNS(WSS4JConstants.WSSE_NS, "Security");
        for (int i = 0; i < headers.getLength(); i++) {
            NodeList elements = ((Element) headers.item(i)).getElementsByTagNameNS("*", "*");
            for (int j = 0; j < elements.getLength(); j++) {
                String algorithm = ((Element) elements.item(j)).getAttribute("Algorithm");
                if (!algorithm.isEmpty()) {
                    found.add(algorithm);
                }
            }
        }
        return found;
    }

    private static String text(WSSecurityException exception) {
        Throwable cause = exception.getCause();
        return cause == null || exception.getMessage().equals(cause.getMessage())
                ? exception.getMessage()
                : exception.getMessage() + " (" + cause.getMessage() + ")";
    }

    private static byte[] open(String contentType, byte[] body, Parts parts) throws IOException, MessagingException {
        if (contentType == null) {
            throw new BadRequest("verify needs the Content-Type of the message");
        }
        if (!contentType.toLowerCase().startsWith("multipart/")) {
            return body;
        }
        MimeMultipart multipart = new MimeMultipart(new ByteArrayDataSource(body, contentType));
        for (int i = 1; i < multipart.getCount(); i++) {
            parts.add(multipart.getBodyPart(i));
        }
        return multipart.getBodyPart(0).getInputStream().readAllBytes();
    }

    private static Document parse(byte[] xml) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        factory.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        DocumentBuilder builder = factory.newDocumentBuilder();
        builder.setErrorHandler(null);
        try {
            return builder.parse(new ByteArrayInputStream(xml));
        } catch (SAXException e) {
            throw new BadRequest("the root part is no XML: " + e.getMessage());
        }
    }

    /** The MIME parts as WSS4J asks for them and gives them back decrypted; always read whole, so that tags are checked. */
    private static final class Parts implements CallbackHandler {
        private record Content(Map<String, String> headers, String mimeType, byte[] bytes) {}

        private final Map<String, Content> contents = new LinkedHashMap<>();

        Parts() {}

        Parts(Parts other) {
            contents.putAll(other.contents);
        }

        void add(BodyPart part) throws IOException, MessagingException {
            String[] id = part.getHeader("Content-ID");
            if (id == null) {
                throw new BadRequest("a part has no Content-ID");
            }
            Map<String, String> headers = new LinkedHashMap<>();
            var all = part.getAllHeaders();
            while (all.hasMoreElements()) {
                var header = all.nextElement();
                headers.put(header.getName(), header.getValue());
            }
            try (InputStream in = part.getInputStream()) {
                contents.put(
                        id[0].strip().replaceAll("^<|>$", ""),
                        new Content(headers, part.getContentType(), in.readAllBytes()));
            }
        }

        List<Part> list() {
            List<Part> list = new ArrayList<>();
            contents.forEach((id, content) ->
                    list.add(new Part(id, KeyRing.sha256(content.bytes()), content.bytes().length)));
            return list;
        }

        @Override
        public void handle(Callback[] callbacks) throws IOException {
            for (Callback callback : callbacks) {
                if (callback instanceof AttachmentRequestCallback request) {
                    request.setAttachments(attachments(request.getAttachmentId()));
                } else if (callback instanceof AttachmentResultCallback result) {
                    Attachment attachment = result.getAttachment();
                    contents.put(
                            result.getAttachmentId(),
                            new Content(
                                    attachment.getHeaders(),
                                    attachment.getMimeType(),
                                    attachment.getSourceStream().readAllBytes()));
                }
            }
        }

        private List<Attachment> attachments(String id) {
            Content content = contents.get(id);
            if (content == null) {
                return List.of();
            }
            Attachment attachment = new Attachment();
            attachment.setId(id);
            attachment.setMimeType(content.mimeType());
            attachment.addHeaders(content.headers());
            attachment.setSourceStream(new ByteArrayInputStream(content.bytes()));
            return List.of(attachment);
        }
    }
}
