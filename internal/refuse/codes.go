package refuse

// The machine codes. They are part of what clients may rely on: a code is never renamed or given another meaning.
const (
	// The credential.
	NoCredential           = "no_credential"
	BadCredential          = "bad_credential"
	ExpiredToken           = "expired_token"
	WrongAudience          = "wrong_audience"
	UnknownIssuer          = "unknown_issuer"
	KeysUnavailable        = "keys_unavailable"
	ConflictingCredentials = "conflicting_credentials"
	SigV4Unsupported       = "sigv4_unsupported"

	// The request's form.
	BadRequest           = "bad_request"
	MalformedJSON        = "malformed_json"
	UnknownField         = "unknown_field"
	TooLarge             = "too_large"
	BadEncoding          = "bad_encoding"
	UnsupportedMediaType = "unsupported_media_type"
	NotFound             = "not_found"
	MethodNotAllowed     = "method_not_allowed"

	// What it asks for.
	ModelUnknown          = "model_unknown"
	ModelDenied           = "model_denied"
	ToolChoiceDenied      = "tool_choice_denied"
	FeatureDenied         = "feature_denied"
	BYOKDenied            = "byok_denied"
	QuarantineUnavailable = "quarantine_unavailable"
	InternalOnly          = "internal_only"
	PolicyDenied          = "policy_denied"
	PolicyError           = "policy_error"
	NoProviderKey         = "no_provider_key"

	// The way to the provider, and ourselves.
	UpstreamInvalid     = "upstream_invalid"
	UpstreamUnavailable = "upstream_unavailable"
	Deadline            = "deadline"
	Overloaded          = "overloaded"
	StoreUnavailable    = "store_unavailable"
	Internal            = "internal"
)
