package interop;

import com.helger.peppolid.factory.SimpleIdentifierFactory;
import com.helger.peppolid.factory.IIdentifierFactory;
import com.helger.smpclient.peppol.SMPClientReadOnly;
import com.helger.xsds.peppol.smp1.EndpointType;
import com.helger.xsds.peppol.smp1.ProcessType;
import com.helger.xsds.peppol.smp1.ServiceGroupType;
import com.helger.xsds.peppol.smp1.ServiceInformationType;
import com.helger.xsds.peppol.smp1.SignedServiceMetadataType;
import interop.Ask.Identifier;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;

/** Peppol SMP 1.x. */
record Peppol(Keys keys) implements Dialect {
    private static final IIdentifierFactory FACTORY = SimpleIdentifierFactory.INSTANCE;

    @Override
    public Told group(URI smp, Ask ask) throws Exception {
        ServiceGroupType group = client(smp, ask).getServiceGroup(ask.participant(FACTORY));
        List<String> unread = new ArrayList<>();
        List<Identifier> documents = SMPClientReadOnly.getAllDocumentTypes(group, FACTORY, unread::add).stream()
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
        EndpointType endpoint = SMPClientReadOnly.getEndpoint(
                read(smp, ask), ask.process(FACTORY), SmpClient.profile(ask));
        return Told.endpoint(endpoint == null ? null : told(endpoint));
    }

    private SignedServiceMetadataType read(URI smp, Ask ask) throws Exception {
        return client(smp, ask).getServiceMetadata(ask.participant(FACTORY), ask.document(FACTORY));
    }

    private SMPClientReadOnly client(URI smp, Ask ask) {
        return keys.given(new SMPClientReadOnly(smp), ask);
    }

    private static Told.Endpoint told(EndpointType endpoint) throws Exception {
        return Told.Endpoint.of(
                endpoint.getTransportProfile(),
                SMPClientReadOnly.getEndpointAddress(endpoint),
                SMPClientReadOnly.getEndpointCertificate(endpoint),
                endpoint.getServiceActivationDateLocal(),
                endpoint.getServiceExpirationDateLocal());
    }
}
