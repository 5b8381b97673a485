"""Our AuditEvents before a FHIR server that validates: HAPI, with the compiled profiles of EDS."""
