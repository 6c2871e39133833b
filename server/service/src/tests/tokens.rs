//! A key set and a token for each of its keys, made with OpenSSL; the private keys are gone.

/// Public keys: one for each way to sign, and two that sign no tokens of ours.
pub(super) const KEYS: &str = r#"{"keys": [
  {"kty": "RSA", "kid": "rsa", "use": "sig", "n": "u1pq2U4bVxefuAkNlHKIf2nrFp_5fcO1VIO-caPT2uZSFHbmLU_jULujagbqAfJI_yzhwXG-0x7_v_SWVRcGPvQaw0U2sRlppzuZp9x81UVwsE2cnE_n6GbbhZBbGt_CS_iLqBbXkonPMQZR8haX8-UuNzApDKYioMCLHUZge27-mQRegbeAiHmf53nmRQYXY5KWesngCxz-ZWDp-JBYlEdizVuFwH-IgUB3PbXs7j2h_9QQeWbKWIuWMaiYr4J3UkZr6JvRlY2GjxDOkMlIiAkVgyiOM_f3gBF3JHvpTzO19L1hc2WB1opz8WlDyLsrFzEEVTPXrgEdQzV7oNLiew", "e": "AQAB"},
  {"kty": "RSA", "kid": "pss", "alg": "PS256", "n": "u1pq2U4bVxefuAkNlHKIf2nrFp_5fcO1VIO-caPT2uZSFHbmLU_jULujagbqAfJI_yzhwXG-0x7_v_SWVRcGPvQaw0U2sRlppzuZp9x81UVwsE2cnE_n6GbbhZBbGt_CS_iLqBbXkonPMQZR8haX8-UuNzApDKYioMCLHUZge27-mQRegbeAiHmf53nmRQYXY5KWesngCxz-ZWDp-JBYlEdizVuFwH-IgUB3PbXs7j2h_9QQeWbKWIuWMaiYr4J3UkZr6JvRlY2GjxDOkMlIiAkVgyiOM_f3gBF3JHvpTzO19L1hc2WB1opz8WlDyLsrFzEEVTPXrgEdQzV7oNLiew", "e": "AQAB"},
  {"kty": "EC", "kid": "p256", "crv": "P-256", "x": "DcHN5aIL_fmliIATWyat3MWY3n0mQlP5q9Yl7vBkdwY", "y": "YDrGNdBexBAsTf50vFUGXyfRHDppyZYqFv4zwkMxqk8"},
  {"kty": "EC", "kid": "p384", "crv": "P-384", "x": "CxHnRwIQUMWMJ0wYhSn_PG26dKnYwv4cjvdsxrqqBtBJpaQJvIGPtyMPrk7Abu_U", "y": "nkBM3XLicrErO1LrBrrmkmw1YTrB4ZPq7ZaStAv4oOQ_vGdlLn5RiqPel5zJLB8s"},
  {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": "v7gmZIrypEsg1y_V2QigrbGxQLeDKTselGkKLw5XmNo"},
  {"kty": "RSA", "kid": "enc", "use": "enc", "n": "AQAB", "e": "AQAB"},
  {"kty": "oct", "kid": "oct", "k": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s"}
]}"#;

/// The last of them but two, as PEM.
pub(super) const ED_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MCowBQYDK2VwAyEAv7gmZIrypEsg1y/V2QigrbGxQLeDKTselGkKLw5XmNo=\n\
-----END PUBLIC KEY-----\n\
";

/// `{"sub":"ann","exp":4102444800,"scope":"read write"}`, signed by each.
pub(super) const TOKENS: [(&str, &str); 5] = [
    (
        "rsa",
        "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDAsInNjb3BlIjoicmVhZCB\
     3cml0ZSJ9.WTa2tjCXOu6hMa83onJKKHnsdhoBGzDkz1oHFvZbrkWlTLV457vDNvi9jiozJRUuQxen0q3OHKLrvP70xvW913\
     WEBGnRhvgWIdYeH9bwdOfU8asrUFs-yhhEEUVS3HIwVlz_1511wNf_EgkyRTuAf0ghHD11ZtcNU9XHOSTKcrwcwgbCwMZXRG\
     qGHiPWU-Pr3Z0FgeKNaGIWUjRGX91sIDfkjrfM3YQuVeJeVN_925fqjfZJ8toen1GkCaR_6EDLstoIBzpUzsiOKwFnT9bc7v\
     9k4gJ97shJ0_5pONje1iPHZ4oB1Olro9Ya6XQTB9RdpKCFZkmahHmPxgysSo14dw",
    ),
    (
        "pss",
        "eyJhbGciOiJQUzI1NiIsImtpZCI6InBzcyJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDAsInNjb3BlIjoicmVhZCB\
     3cml0ZSJ9.PtkEt3igu92Yw_pOp9ofF04oL_VyQ9wjc9Sz4RWqGjfm0CWYN2JGy3eF9zix-7tOMLpIZ9TMmUZHCORx7rQvqA\
     L19adnNZAdhqVZsCZEPljQuWvtf5Zk4s2euG9V3JRCGkgoIqSMaAbkaz7KyOIN4hplQO_Ynzn5D7Cw95Ucp8WoigIa5N_GqV\
     lNvCH0SN8dLacdhnwLY0JcjDjiYpQE6FMamUH0OhIelkGk6IXouvfN2WsANpfSeICWyETEMXXzmHIWkub1Lr1SPKsAsz_Hgx\
     Wj8DyUPcmSn5nk5fv8YhDKTSkF4pEA09vm-yCX3AwUHgO0vlGWnRgoqyDWvfORMg",
    ),
    (
        "p256",
        "eyJhbGciOiJFUzI1NiIsImtpZCI6InAyNTYifQ.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDAsInNjb3BlIjoicmVhZ\
     CB3cml0ZSJ9.eq3uxD3nBFkMZa82pEn1lUqt0TaVEV0r5Qc61Fq1cX7j7GHOd3lCDvP4Kh3Tjb9jILDPjy9_Ghetty_FeJlc\
     UA",
    ),
    (
        "p384",
        "eyJhbGciOiJFUzM4NCIsImtpZCI6InAzODQifQ.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDAsInNjb3BlIjoicmVhZ\
     CB3cml0ZSJ9.3vDQLIWkFCWyvhHslOeWVm7UPnGQmrOEpfF3CQB2nGmmaBCl2TGubKGQV3yI8FsduTnQErOYdLiw0B4e2L7T\
     mbrygczrNZRh6FSjavvic0oZc7_xCfRiSxPhLgk8g9aE",
    ),
    (
        "ed",
        "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkIn0.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDAsInNjb3BlIjoicmVhZCB3\
     cml0ZSJ9.2WMD02b7ODxprUizNf1kI3qSEn2cJz148pGbBsrUVSILqgGHn7cp_OyCxuKwFxXOU54UksBJypckaCzEohSYBQ",
    ),
];
