package interop;

import com.helger.peppolid.factory.BDXR2IdentifierFactory;
import com.helger.peppolid.factory.IIdentifierFactory;
import com.helger.smpclient.bdxr2.BDXR2ClientReadOnly;
import com.helger.xsds.bdxr.smp2.ServiceGroupType;
import com.helger.xsds.bdxr.smp2.ServiceMetadataType;
import com.helger.xsds.bdxr.smp2.ac.EndpointType;
import com.helger.xsds.bdxr.smp2.ac.ProcessMetadataType;
import interop.Ask.Identifier;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;

/** OASIS SMP 2.0. */
record Oasis2(Keys keys) implements Dialect {
    private static final IIdentifierFactory FACTORY = BDXR2IdentifierFactory.INSTANCE;

    @Override
    public Told group(URI smp, Ask ask) throws Exception {
        ServiceGroupType group = client(smp, ask).getServiceGroup(ask.participant(FACTORY));
        List<Identifier> documents = BDXR2ClientReadOnly.getAllDocumentTypes(group, FACTORY).stream()
                .map(each -> new Identifier(each.getScheme(), each.getValue()))
                .toList();
        var participant = group.getParticipantID();
        return Told.group(new Identifier(participant.getSchemeID(), participant.getValue()), documents);
    }

    @Override
    public Told metadata(URI smp, Ask ask) throws Exception {
        ServiceMetadataType found = read(smp, ask);
        List<Told.Process> processes = new ArrayList<>();
        for (ProcessMetadataType process : found.getProcessMetadata()) {
            List<Identifier> ids = process.getProcess().stream()
                    .map(each -> new Identifier(each.getID().getSchemeID(), each.getID().getValue()))
                    .toList();
            List<Told.Endpoint> endpoints = new ArrayList<>();
            for (EndpointType endpoint : process.getEndpoint()) {
                endpoints.add(told(endpoint));
            }
            processes.add(new Told.Process(ids, endpoints));
        }
        var participant = found.getParticipantID();
        var document = found.getID();
        return Told.metadata(
                new Identifier(participant.getSchemeID(), participant.getValue()),
                new Identifier(document.getSchemeID(), document.getValue()),
                processes);
    }

    @Override
    public Told endpoint(URI smp, Ask ask) throws Exception {
        EndpointType endpoint =
                BDXR2ClientReadOnly.getEndpoint(read(smp, ask), ask.process(FACTORY), SmpClient.profile(ask));
        return Told.endpoint(endpoint == null ? null : told(endpoint));
    }

    private ServiceMetadataType read(URI smp, Ask ask) throws Exception {
        return client(smp, ask).getServiceMetadata(ask.participant(FACTORY), ask.document(FACTORY));
    }

    private BDXR2ClientReadOnly client(URI smp, Ask ask) {
        return keys.given(new BDXR2ClientReadOnly(smp), ask);
    }

    private static Told.Endpoint told(EndpointType endpoint) throws Exception {
        return Told.Endpoint.of(
                endpoint.getTransportProfileIDValue(),
                BDXR2ClientReadOnly.getEndpointAddress(endpoint),
                BDXR2ClientReadOnly.getEndpointCertificate(endpoint),
                endpoint.getActivationDateValueLocal(),
                endpoint.getExpirationDateValueLocal());
    }
}
