package interop;

import com.helger.phase4.client.AS4ClientSentMessage;
import com.helger.phase4.ebms3header.Ebms3MessageInfo;
import com.helger.phase4.ebms3header.Ebms3SignalMessage;
import com.helger.phase4.incoming.IAS4IncomingMessageMetadata;
import com.helger.phase4.incoming.IAS4IncomingMessageState;
import com.helger.phase4.incoming.IAS4SignalMessageConsumer;
import com.helger.phase4.sender.IAS4SignalMessageValidationResultHandler;
import com.helger.phase4.util.Phase4Exception;
import interop.Sent.Failure;
import interop.Sent.Receipt;
import java.util.List;
import org.apache.wss4j.common.WSS4JConstants;

/** Collects what phase4 tells while it checks the answer to one message. */
final class Answer implements IAS4SignalMessageConsumer, IAS4SignalMessageValidationResultHandler {
    private Integer status;
    private String references = "absent";
    private Receipt receipt;
    private List<Failure> errors = List.of();
    private String exception;

    void status(AS4ClientSentMessage<byte[]> response) {
        if (response.hasResponseStatusLine()) {
            status = response.getResponseStatusLine().getStatusCode();
        }
    }

    void exception(Phase4Exception thrown) {
        exception = Sender.text(thrown);
    }

    @Override
    public void onSuccess() {
        if (references.equals("absent")) {
            references = "equal";
        }
    }

    /** phase4 may call onSuccess even after this. */
    @Override
    public void onError(String text) {
        references = "different";
    }

    @Override
    public void onNotApplicable() {
        references = "absent";
    }

    /** Called after the references were compared, and only when no signature was found wrong. */
    @Override
    public void handleSignalMessage(
            Ebms3SignalMessage signal, IAS4IncomingMessageMetadata metadata, IAS4IncomingMessageState state) {
        errors = signal.getError().stream().map(Failure::of).toList();
        if (signal.getReceipt() != null) {
            Ebms3MessageInfo info = signal.getMessageInfo();
            boolean signed = state.getOriginalSoapDocument()
                            .getElementsByTagNameNS(WSS4JConstants.SIG_NS, "Signature")
                            .getLength()
                    > 0;
            receipt = new Receipt(
                    info.getMessageId(),
                    info.getRefToMessageId(),
                    signed,
                    state.isSoapSignatureChecked(),
                    KeyRing.sha256(state.getSigningCertificate()),
                    references);
        }
    }

    Sent sent(String result, String messageId, double seconds, Dump dump) {
        return new Sent(
                result,
                messageId,
                status,
                receipt,
                errors,
                exception,
                seconds,
                dump == null ? null : dump.requestFile(),
                dump == null ? null : dump.responseFile());
    }
}
