package translate

var everyResponses = []refusedCase{} //nolint:gochecknoglobals // a constant in all but syntax
