package interop;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.helger.phase4.ebms3header.Ebms3AgreementRef;
import com.helger.phase4.ebms3header.Ebms3From;
import com.helger.phase4.ebms3header.Ebms3PartyId;
import com.helger.phase4.ebms3header.Ebms3Property;
import com.helger.phase4.ebms3header.Ebms3Service;
import com.helger.phase4.ebms3header.Ebms3To;
import java.util.List;

/** The ebMS values that requests and answers of the control interface share. */
final class Ebms {
    private Ebms() {}

    /** eb:From or eb:To. */
    record Party(String id, String type, String role) {
        static Party of(Ebms3From from) {
            return of(from.getPartyId(), from.getRole());
        }

        static Party of(Ebms3To to) {
            return of(to.getPartyId(), to.getRole());
        }

        private static Party of(List<Ebms3PartyId> ids, String role) {
            return new Party(ids.get(0).getValue(), ids.get(0).getType(), role);
        }
    }

    /** eb:Service. */
    record Service(String value, String type) {
        static Service of(Ebms3Service service) {
            return new Service(service.getValue(), service.getType());
        }
    }

    /** eb:AgreementRef. */
    record Agreement(String value, String type, String pmode) {
        static Agreement of(Ebms3AgreementRef agreement) {
            return agreement == null
                    ? null
                    : new Agreement(agreement.getValue(), agreement.getType(), agreement.getPmode());
        }
    }

    /** eb:Property. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Property(String name, String value, String type) {
        static List<Property> of(List<Ebms3Property> properties) {
            return properties.stream()
                    .map(p -> new Property(p.getName(), p.getValue(), p.getType()))
                    .toList();
        }
    }
}
