"""A witness of transparency logs (C2SP tlog-witness): its rules, its storage, its HTTP application, and its client."""
