package interop;

import com.helger.base.state.ETriState;
import com.helger.phase4.crypto.ECryptoAlgorithmCrypt;
import com.helger.phase4.crypto.ECryptoAlgorithmSign;
import com.helger.phase4.crypto.ECryptoAlgorithmSignDigest;
import com.helger.phase4.mgr.MetaAS4Manager;
import com.helger.phase4.model.EMEP;
import com.helger.phase4.model.EMEPBinding;
import com.helger.phase4.model.pmode.IPModeIDProvider;
import com.helger.phase4.model.pmode.PMode;
import com.helger.phase4.model.pmode.PModeParty;
import com.helger.phase4.model.pmode.PModeReceptionAwareness;
import com.helger.phase4.model.pmode.leg.EPModeSendReceiptReplyPattern;
import com.helger.phase4.model.pmode.leg.PModeLeg;
import com.helger.phase4.model.pmode.leg.PModeLegBusinessInformation;
import com.helger.phase4.model.pmode.leg.PModeLegErrorHandling;
import com.helger.phase4.model.pmode.leg.PModeLegProtocol;
import com.helger.phase4.model.pmode.leg.PModeLegSecurity;
import com.helger.phase4.profile.AS4Profile;
import com.helger.phase4.wss.EWSSVersion;

/**
 * eDelivery AS4 1.15 as a phase4 profile: One-Way/Push, rsa-sha256, aes128-gcm, a signed receipt with non-repudiation
 * information in the response. The profile packages of phase4 for it are not published (they end at 2.0.0).
 */
final class Profile {
    static final String ID = "edelivery-1.15";

    private Profile() {}

    /** Register it; phase4's managers must be up. */
    static void register() {
        MetaAS4Manager.getProfileMgr()
                .registerProfile(new AS4Profile(
                        ID,
                        "eDelivery AS4 1.15",
                        () -> null,
                        (initiator, responder, address) -> pmode(initiator, responder, security(
                                ECryptoAlgorithmSign.RSA_SHA_256,
                                ECryptoAlgorithmSignDigest.DIGEST_SHA_256,
                                ECryptoAlgorithmCrypt.AES_128_GCM)),
                        IPModeIDProvider.DEFAULT_DYNAMIC,
                        false,
                        true));
    }

    /**
     * A P-Mode of this profile; what `security` leaves out is not done.
     *
     * <p>phase4 takes a message with a RefToMessageId for leg 2, and answers EBMS:0010 where a P-Mode has none, as those of
     * its own profiles for One-Way/Push. Here replies are welcome.
     */
    static PMode pmode(String initiator, String responder, PModeLegSecurity security) {
        PModeParty from = new PModeParty(null, initiator, "initiator", null, null);
        PModeParty to = new PModeParty(null, responder, "responder", null, null);
        PModeLegErrorHandling errors = PModeLegErrorHandling.createUndefined();
        errors.setReportAsResponse(true);
        PModeLeg leg = new PModeLeg(
                PModeLegProtocol.createForDefaultSoapVersion(null),
                PModeLegBusinessInformation.create(null, null, null, null),
                errors,
                null,
                security);
        return new PMode(
                IPModeIDProvider.DEFAULT_DYNAMIC.getPModeID(from, to),
                from,
                to,
                "",
                EMEP.ONE_WAY,
                EMEPBinding.PUSH,
                leg,
                leg,
                null,
                new PModeReceptionAwareness(ETriState.TRUE, ETriState.FALSE, 0, 0, ETriState.TRUE));
    }

    /** PMode[].Security: an algorithm that is null is not used. */
    static PModeLegSecurity security(
            ECryptoAlgorithmSign signature, ECryptoAlgorithmSignDigest digest, ECryptoAlgorithmCrypt cipher) {
        PModeLegSecurity security = new PModeLegSecurity();
        security.setWSSVersion(EWSSVersion.WSS_111);
        security.setX509SignatureAlgorithm(signature);
        security.setX509SignatureHashFunction(digest);
        security.setX509EncryptionAlgorithm(cipher);
        security.setSendReceipt(true);
        security.setSendReceiptReplyPattern(EPModeSendReceiptReplyPattern.RESPONSE);
        security.setSendReceiptNonRepudiation(true);
        return security;
    }
}
