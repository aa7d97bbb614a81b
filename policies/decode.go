package policies

import (
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// A decision document is read strictly: a member that is unknown, missing or
// of the wrong type makes the whole decision an error, and so a denial. A rule
// with a typo must not be a rule that passes.

// decodeRequest reads data.yellowjack.request.decision.
func decodeRequest(doc *ast.Term, names []string, results int, visible map[string]string) (Decision, error) {
	var d Decision
	said := false
	err := reader{"document", doc}.members(func(key string, r reader) (err error) {
		switch key {
		case "allowed":
			said = true
			return r.boolean(&d.Allowed)
		case "http_status":
			return r.integer(&d.HTTPStatus)
		case "code":
			return r.str(&d.Code)
		case "reason":
			return r.str(&d.Reason)
		case "rule":
			return r.str(&d.Rule)
		case "byok":
			return r.boolean(&d.BYOK)
		case "headers":
			d.Headers, err = readHeaders(r)
			return err
		case "dynamic_metadata":
			d.Metadata, err = readMetadata(r)
			return err
		case "tools":
			d.Tools = make(map[string]string, len(names))
			return r.members(func(name string, r reader) error {
				var v string
				err := r.word(&v, Offer, Hide)
				d.Tools[name] = v
				return err
			})
		case "results":
			return r.each(func(_ int, r reader) error {
				result, err := decodeResult(r)
				d.Results = append(d.Results, result)
				return err
			})
		}
		return r.fail("is not a member of a request decision")
	})
	switch {
	case err != nil:
		return Decision{}, err
	case !said:
		return Decision{}, errors.New("policies: decision: allowed is missing")
	}
	if !d.Allowed {
		return refused(d)
	}
	return complete(d, names, results, visible)
}

// decodeResult reads what is decided of one result: a treatment, or an object with it.
func decodeResult(r reader) (ResultDecision, error) {
	var d ResultDecision
	if _, ok := r.term.Value.(ast.String); ok {
		return d, r.word(&d.Treatment, Pass, Quarantine, Drop)
	}
	err := r.members(func(key string, r reader) error {
		switch key {
		case "treatment":
			return r.word(&d.Treatment, Pass, Quarantine, Drop)
		case "reason":
			return r.str(&d.Reason)
		case "rule":
			return r.str(&d.Rule)
		}
		return r.fail("is not a member of a result's decision")
	})
	if err == nil && d.Treatment == "" {
		err = errors.New("policies: decision: a result has no treatment")
	}
	return d, err
}

// refused fills in what a refusal may leave out, and offers nothing.
func refused(d Decision) (Decision, error) {
	if d.HTTPStatus == 0 {
		d.HTTPStatus = 403
	}
	if d.HTTPStatus < 400 || d.HTTPStatus > 599 {
		return Decision{}, fmt.Errorf("policies: decision: http_status %d is no refusal", d.HTTPStatus)
	}
	if d.Code == "" {
		d.Code = "policy_denied"
	}
	if d.Reason == "" {
		d.Reason = "refused by policy"
	}
	d.Tools, d.Results, d.BYOK = nil, nil, false
	return d, nil
}

// complete holds a decision that allows to what was asked: every tool and every
// result answered, and no tool offered that is not visible.
func complete(d Decision, names []string, results int, visible map[string]string) (Decision, error) {
	if d.HTTPStatus != 0 && d.HTTPStatus != 200 {
		return Decision{}, fmt.Errorf("policies: decision: http_status %d with allowed true", d.HTTPStatus)
	}
	if len(d.Results) != results {
		return Decision{}, fmt.Errorf("policies: decision: results answers %d of %d", len(d.Results), results)
	}
	for _, name := range names {
		if _, ok := d.Tools[name]; !ok {
			return Decision{}, fmt.Errorf("policies: decision: tools does not answer %q", name)
		}
		if _, ok := visible[name]; !ok {
			d.Tools[name] = Hide
		}
	}
	if len(d.Tools) != len(names) {
		return Decision{}, errors.New("policies: decision: tools answers more than was asked")
	}
	d.HTTPStatus = 200
	return d, nil
}

// decodeCalls reads data.yellowjack.toolcall.decision.
func decodeCalls(doc *ast.Term, calls int) ([]CallDecision, error) {
	out := make([]CallDecision, 0, calls)
	err := reader{"document", doc}.members(func(key string, r reader) error {
		if key != "calls" {
			return r.fail("is not a member of a toolcall decision")
		}
		return r.each(func(_ int, r reader) error {
			d, err := decodeCall(r)
			out = append(out, d)
			return err
		})
	})
	switch {
	case err != nil:
		return nil, err
	case len(out) != calls:
		return nil, fmt.Errorf("policies: decision: calls answers %d of %d", len(out), calls)
	}
	return out, nil
}

func decodeCall(r reader) (CallDecision, error) {
	var d CallDecision
	err := r.members(func(key string, r reader) error {
		switch key {
		case "verdict":
			return r.word(&d.Verdict, Allow, Deny, Confirm)
		case "reason":
			return r.str(&d.Reason)
		case "rule":
			return r.str(&d.Rule)
		}
		return r.fail("is not a member of a call's decision")
	})
	if err == nil && d.Verdict == "" {
		err = errors.New("policies: decision: a call has no verdict")
	}
	if err == nil && d.Reason == "" && d.Verdict != Allow {
		d.Reason = "refused by policy"
	}
	return d, err
}

// decodeVisible reads data.yellowjack.visible.tools.
func decodeVisible(doc *ast.Term) (map[string]string, error) {
	return reader{"visible.tools", doc}.strings()
}

// decodeModels reads data.yellowjack.models.allowed.
func decodeModels(doc *ast.Term, models int) ([]bool, error) {
	out := make([]bool, 0, models)
	err := reader{"models.allowed", doc}.each(func(_ int, r reader) error {
		var b bool
		err := r.boolean(&b)
		out = append(out, b)
		return err
	})
	if err == nil && len(out) != models {
		err = fmt.Errorf("policies: decision: models.allowed answers %d of %d", len(out), models)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}
