package interop;

import com.helger.peppolid.factory.BDXR1IdentifierFactory;
import com.helger.peppolid.factory.IIdentifierFactory;
import com.helger.smpclient.bdxr1.BDXRClientReadOnly;
import com.helger.xsds.bdxr.smp1.EndpointType;
import com.helger.xsds.bdxr.smp1.ProcessType;
import com.helger.xsds.bdxr.smp1.ServiceGroupType;
import com.helger.xsds.bdxr.smp1.ServiceInformationType;
import com.helger.xsds.bdxr.smp1.SignedServiceMetadataType;
import interop.Ask.Identifier;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;

/** OASIS BDXR SMP 1.0: the code of {@link Peppol} over classes of other packages. */
record Oasis1(Keys keys) implements Dialect {
    private static final IIdentifierFactory FACTORY = BDXR1IdentifierFactory.INSTANCE;

    @Override
    public Told group(URI smp, Ask ask) throws Exception {
        ServiceGroupType group = client(smp, ask).getServiceGroup(ask.participant(FACTORY));
        List<String> unread = new ArrayList<>();
        List<Identifier> documents = BDXRClientReadOnly.getAllDocumentTypes(group, FACTORY, unread::add).stream()
                .map(each -> new Identifier(each.getScheme(), each.getValue()))
                .toList();
        if (!unread.isEmpty()) {
            throw new IllegalArgumentException("references that the library does not understand: " + unread);
        }
        var participant = group.getParticipantIdentifier();
        return Told.group(new Identifier(participant.getScheme(), participant.getValue()), documents);
    }

    @Override
    public Told metadata(URI smp, Ask ask) throws Exception {
        ServiceInformationType found = read(smp, ask).getServiceMetadata().getServiceInformation();
        List<Told.Process> processes = new ArrayList<>();
        for (ProcessType process : found.getProcessList().getProcess()) {
            var id = process.getProcessIdentifier();
            List<Told.Endpoint> endpoints = new ArrayList<>();
            for (EndpointType endpoint : process.getServiceEndpointList().getEndpoint()) {
                endpoints.add(told(endpoint));
            }
            processes.add(new Told.Process(List.of(new Identifier(id.getScheme(), id.getValue())), endpoints));
        }
        var participant = found.getParticipantIdentifier();
        var document = found.getDocumentIdentifier();
        return Told.metadata(
                new Identifier(participant.getScheme(), participant.getValue()),
                new Identifier(document.getScheme(), document.getValue()),
                processes);
    }

    @Override
    public Told endpoint(URI smp, Ask ask) throws Exception {
        EndpointType endpoint = BDXRClientReadOnly.getEndpoint(
                read(smp, ask), ask.process(FACTORY), SmpClient.profile(ask));
        return Told.endpoint(endpoint == null ? null : told(endpoint));
    }

    private SignedServiceMetadataType read(URI smp, Ask ask) throws Exception {
        return client(smp, ask).getServiceMetadata(ask.participant(FACTORY), ask.document(FACTORY));
    }

    private BDXRClientReadOnly client(URI smp, Ask ask) {
        return keys.given(new BDXRClientReadOnly(smp), ask);
    }

    private static Told.Endpoint told(EndpointType endpoint) throws Exception {
        return Told.Endpoint.of(
                endpoint.getTransportProfile(),
                BDXRClientReadOnly.getEndpointAddress(endpoint),
                BDXRClientReadOnly.getEndpointCertificate(endpoint),
                endpoint.getServiceActivationDateLocal(),
                endpoint.getServiceExpirationDateLocal());
    }
}
