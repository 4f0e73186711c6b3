"""Identity and access management that is enforced: policy documents, conditions, decisions, and the calls of roles."""
