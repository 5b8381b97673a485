package interop;

import com.helger.httpclient.HttpClientSettings;
import com.helger.mime.IMimeType;
import com.helger.mime.parse.MimeTypeParser;
import com.helger.phase4.attachment.AS4OutgoingAttachment;
import com.helger.phase4.client.IAS4ClientBuildMessageCallback;
import com.helger.phase4.crypto.AS4CryptoFactoryInMemoryKeyStore;
import com.helger.phase4.crypto.ECryptoAlgorithmSign;
import com.helger.phase4.crypto.ECryptoAlgorithmSignDigest;
import com.helger.phase4.crypto.IAS4CryptoFactory;
import com.helger.phase4.crypto.ICryptoSessionKeyProvider;
import com.helger.phase4.ebms3header.Ebms3PartInfo;
import com.helger.phase4.ebms3header.Ebms3Property;
import com.helger.phase4.messaging.http.HttpRetrySettings;
import com.helger.phase4.model.MessageProperty;
import com.helger.phase4.model.message.AS4UserMessage;
import com.helger.phase4.model.message.AbstractAS4Message;
import com.helger.phase4.model.message.MessageHelperMethods;
import com.helger.phase4.model.pmode.leg.PModeLegSecurity;
import com.helger.phase4.sender.AS4Sender;
import com.helger.phase4.sender.AS4Sender.BuilderUserMessage;
import com.helger.phase4.util.Phase4Exception;
import interop.Ebms.Property;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import javax.crypto.KeyGenerator;
import org.apache.hc.core5.util.Timeout;
import org.apache.wss4j.common.ext.WSSecurityException;
import org.apache.wss4j.common.util.KeyUtils;

/** Sends with phase4's own builder; whatever checks the answer is phase4's code too. */
final class Sender {
    private final KeyRing keys;
    private final Path dumps;
    private final AtomicLong numbers = new AtomicLong();

    Sender(KeyRing keys, Path dumps) {
        this.keys = keys;
        this.dumps = dumps;
    }

    /** How many were sent, whatever became of them. */
    long count() {
        return numbers.get();
    }

    Sent send(Send send) throws GeneralSecurityException, IOException {
        return prepare(send, false).send();
    }

    /** All that is the same for each message of this kind; `inMemory`: the payloads are read now, once. */
    Prepared prepare(Send send, boolean inMemory) throws GeneralSecurityException, IOException {
        HttpClientSettings http = new HttpClientSettings();
        http.setResponseTimeout(Timeout.ofMilliseconds(send.timeoutMs()));
        if (send.tls() != null) {
            KeyRing.Identity client =
                    send.tls().key() == null ? null : keys.identity(send.tls().key());
            http.setSSLContext(Tls.context(client, send.tls().trust()));
        }
        List<byte[]> contents = new ArrayList<>();
        for (Send.Payload payload : send.payloads()) {
            if (!Files.exists(payload.file())) {
                throw new NoSuchFileException(payload.file().toString());
            }
            contents.add(inMemory ? Files.readAllBytes(payload.file()) : null);
        }
        X509Certificate recipient = send.recipient() == null ? null : KeyRing.certificate(send.recipient());
        return new Prepared(send, http, contents, recipient, crypto(send.key()), security(send));
    }

    private IAS4CryptoFactory crypto(String key) {
        KeyRing.Identity identity = keys.identity(key);
        return new AS4CryptoFactoryInMemoryKeyStore(
                identity.store(), identity.alias(), identity.password(), keys.trust());
    }

    /** The P-Mode's algorithms overwrite those of the builder, so they are said here. */
    private static PModeLegSecurity security(Send send) {
        ECryptoAlgorithmSign signature = null;
        ECryptoAlgorithmSignDigest digest = null;
        if (send.sign() != null) {
            signature = Words.signature(send.sign().algorithm());
            digest = Words.digest(send.sign().digest());
        }
        return Profile.security(
                signature,
                digest,
                send.encrypt() == null ? null : Words.cipher(send.encrypt().cipher()));
    }

    /** A message that can be sent any number of times, by any number of threads. */
    final class Prepared {
        private final Send send;
        private final HttpClientSettings http;
        private final List<byte[]> contents;
        private final X509Certificate recipient;
        private final IAS4CryptoFactory crypto;
        private final PModeLegSecurity security;

        private Prepared(
                Send send,
                HttpClientSettings http,
                List<byte[]> contents,
                X509Certificate recipient,
                IAS4CryptoFactory crypto,
                PModeLegSecurity security) {
            this.send = send;
            this.http = http;
            this.contents = contents;
            this.recipient = recipient;
            this.crypto = crypto;
            this.security = security;
        }

        Sent send() {
            String messageId =
                    send.messageId() != null ? send.messageId() : MessageHelperMethods.createRandomMessageID();
            Answer answer = new Answer();
            long number = numbers.incrementAndGet();
            Dump dump = send.dump() ? new Dump(dumps, number) : null;
            BuilderUserMessage builder = builder(messageId)
                    .signalMsgConsumer(answer)
                    .signalMsgValidationResultHdl(answer)
                    .rawResponseConsumer(response -> {
                        answer.status(response);
                        if (dump != null) {
                            dump.response(response);
                        }
                    })
                    .outgoingDumper(dump);
            long start = System.nanoTime();
            String result = builder.sendMessageAndCheckForReceipt(answer::exception).name();
            double seconds = (System.nanoTime() - start) / 1e9;
            return answer.sent(result, messageId, seconds, dump);
        }

        private BuilderUserMessage builder(String messageId) {
            BuilderUserMessage builder = AS4Sender.builderUserMessage()
                    .as4ProfileID(Profile.ID)
                    .pmode(Profile.pmode(send.from().id(), send.to().id(), security))
                    .cryptoFactory(crypto)
                    .httpClientFactory(http)
                    .httpRetrySettings(
                            new HttpRetrySettings().setMaxRetries(send.retries()).setDurationBeforeRetry(Duration.ofSeconds(1)))
                    .endpointURL(send.url())
                    .messageID(messageId)
                    .refToMessageID(send.refTo())
                    .conversationID(send.conversationId())
                    .fromPartyID(send.from().id())
                    .fromPartyIDType(send.from().type())
                    .fromRole(send.from().role())
                    .toPartyID(send.to().id())
                    .toPartyIDType(send.to().type())
                    .toRole(send.to().role())
                    .service(send.service().type(), send.service().value())
                    .action(send.action())
                    .buildMessageCallback(new PartPropertyTypes(send.payloads()));
            if (send.agreement() != null) {
                builder.agreementRef(send.agreement().value())
                        .agreementType(send.agreement().type())
                        .pmodeID(send.agreement().pmode());
            }
            for (Property property : send.messageProperties()) {
                builder.addMessageProperty(new MessageProperty(property.name(), property.type(), property.value()));
            }
            for (int i = 0; i < contents.size(); i++) {
                builder.addAttachment(attachment(send.payloads().get(i), contents.get(i)));
            }
            secure(builder);
            return builder;
        }

        private void secure(BuilderUserMessage builder) {
            if (send.sign() != null) {
                builder.signingParams()
                        .setKeyIdentifierType(Words.token(send.sign().token()))
                        .setUseSingleCertificate(!send.sign().token().equals("pkipath"));
            }
            if (send.encrypt() != null) {
                builder.receiverCertificate(recipient);
                builder.cryptParams()
                        .setKeyIdentifierType(Words.token(send.encrypt().token()))
                        .setSessionKeyProvider(sessionKeys(security.getX509EncryptionAlgorithm().getAlgorithmURI()));
                Words.keyTransport(builder.cryptParams(), send.encrypt().keyTransport());
            }
        }
    }

    private static AS4OutgoingAttachment attachment(Send.Payload payload, byte[] content) {
        IMimeType mimeType = MimeTypeParser.safeParseMimeType(payload.mimeType());
        if (mimeType == null) {
            throw new BadRequest("no MIME type is " + payload.mimeType());
        }
        AS4OutgoingAttachment.Builder builder = AS4OutgoingAttachment.builder()
                .mimeType(mimeType)
                .contentID(payload.contentId())
                .charset(payload.charset() == null ? null : Charset.forName(payload.charset()));
        if (content == null) {
            builder.data(payload.file().toFile());
        } else {
            builder.data(content);
        }
        if (payload.compress()) {
            builder.compressionGZIP();
        }
        payload.properties().forEach(property -> builder.addCustomProperty(property.name(), property.value()));
        return builder.build();
    }

    /** phase4 makes AES-128 keys whatever the cipher is, unless told otherwise. */
    private static ICryptoSessionKeyProvider sessionKeys(String cipher) {
        return () -> {
            try {
                KeyGenerator generator = KeyUtils.getKeyGenerator(cipher);
                return generator.generateKey();
            } catch (WSSecurityException e) {
                throw new IllegalStateException(e);
            }
        };
    }

    /** Part properties of phase4's attachments are name and value alone: put the types in before the message is signed. */
    private record PartPropertyTypes(List<Send.Payload> payloads) implements IAS4ClientBuildMessageCallback {
        @Override
        public void onAS4Message(AbstractAS4Message<?> message) {
            if (payloads.isEmpty()) {
                return;
            }
            List<Ebms3PartInfo> parts = ((AS4UserMessage) message).getEbms3UserMessage().getPayloadInfo().getPartInfo();
            for (int i = 0; i < payloads.size(); i++) {
                Map<String, String> types = new HashMap<>();
                payloads.get(i).properties().forEach(property -> types.put(property.name(), property.type()));
                for (Ebms3Property property : parts.get(i).getPartProperties().getProperty()) {
                    property.setType(types.get(property.getName()));
                }
            }
        }
    }

    /** An exception with its causes, in one line. */
    static String text(Phase4Exception exception) {
        List<String> texts = new ArrayList<>();
        for (Throwable cause = exception; cause != null; cause = cause.getCause()) {
            texts.add(cause.getClass().getSimpleName() + ": " + cause.getMessage());
        }
        return String.join("; ", texts);
    }
}
