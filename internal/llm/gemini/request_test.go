package gemini

import (
	"errors"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// TestRequestRefused: each is an error of the whole request, of the kind and about the place that is given.
func TestRequestRefused(t *testing.T) {
	around := func(member string) string { return `{"contents":[],` + member + `}` }
	content := func(c string) string { return `{"contents":[` + c + `]}` }
	user := func(p string) string { return content(`{"role":"user","parts":[` + p + `]}`) }
	model := func(p string) string { return content(`{"role":"model","parts":[` + p + `]}`) }
	tool := func(x string) string { return around(`"tools":[` + x + `]`) }
	for _, c := range []struct {
		name, doc string
		kind      error  // of strictjson, or nil for a FieldError
		place     string // contained in the error
	}{
		{"no object", `[]`, strictjson.ErrType, ""},
		{"trailing", `{"contents":[]} {}`, strictjson.ErrTrailing, ""},
		{"duplicate", around(`"contents":[]`), strictjson.ErrDuplicate, "/contents"},
		{"no contents", `{}`, nil, "contents"},
		{"null contents", `{"contents":null}`, nil, "contents"},
		{"contents type", `{"contents":"x"}`, nil, "contents"},
		{"another model", around(`"model":"models/other"`), nil, "model"},
		{"model type", around(`"model":1`), nil, "model"},

		{"both spellings", around(`"systemInstruction":{},"system_instruction":{}`), strictjson.ErrDuplicate, "/system_instruction"},
		{"both spellings, one null", around(`"toolConfig":null,"tool_config":{}`), strictjson.ErrDuplicate, "/tool_config"},
		{"both spellings of an inert field", around(`"safetySettings":[],"safety_settings":[]`), strictjson.ErrDuplicate, ""},
		{"both spellings in a part", user(`{"inlineData":{},"inline_data":{}}`), strictjson.ErrDuplicate, ""},
		{"both spellings of a signature", model(`{"text":"x","thoughtSignature":"","thought_signature":""}`), strictjson.ErrDuplicate, ""},
		{"both spellings in a file", user(`{"fileData":{"fileUri":"a","file_uri":"b"}}`), strictjson.ErrDuplicate, ""},
		{"both spellings in a tool", tool(`{"functionDeclarations":[],"function_declarations":[]}`), strictjson.ErrDuplicate, ""},
		{"both spellings of a schema", tool(`{"functionDeclarations":[{"name":"a","parametersJsonSchema":{},"parameters_json_schema":{}}]}`), strictjson.ErrDuplicate, ""},
		{"both spellings of a choice", around(`"toolConfig":{"functionCallingConfig":{},"function_calling_config":{}}`), strictjson.ErrDuplicate, ""},
		{"both spellings of names", around(`"toolConfig":{"functionCallingConfig":{"allowedFunctionNames":[],"allowed_function_names":[]}}`), strictjson.ErrDuplicate, ""},
		{"both spellings of a count", around(`"generationConfig":{"candidateCount":1,"candidate_count":2}`), strictjson.ErrDuplicate, ""},
		{"both spellings of a tool that nobody knows", tool(`{"newTool":{},"new_tool":{}}`), nil, "tools"},

		{"case", around(`"Tools":[]`), strictjson.ErrCase, ""},
		{"case of the other spelling", around(`"System_Instruction":{}`), strictjson.ErrCase, ""},
		{"case in a content", content(`{"Role":"user"}`), strictjson.ErrCase, ""},
		{"case in a part", user(`{"functioncall":{"name":"a"}}`), strictjson.ErrCase, ""},
		{"case in a call", model(`{"functionCall":{"Name":"a"}}`), strictjson.ErrCase, ""},
		{"case in a result", user(`{"functionResponse":{"ID":"a"}}`), strictjson.ErrCase, ""},
		{"case in a tool", tool(`{"googlesearch":{}}`), strictjson.ErrCase, ""},
		{"case in a function", tool(`{"functionDeclarations":[{"Name":"a"}]}`), strictjson.ErrCase, ""},
		{"case in a choice", around(`"toolConfig":{"functionCallingConfig":{"Mode":"ANY"}}`), strictjson.ErrCase, ""},
		{"case in the configuration", around(`"generationConfig":{"candidatecount":2}`), strictjson.ErrCase, ""},

		{"unknown role", content(`{"role":"assistant","parts":[]}`), nil, "contents[0].role"},
		{"role of another case", content(`{"role":"Model","parts":[]}`), nil, "contents[0].role"},
		{"system role", content(`{"role":"system","parts":[]}`), nil, "contents[0].role"},
		{"parts type", content(`{"parts":"x"}`), nil, "contents[0].parts"},
		{"a part that is a string", user(`"x"`), strictjson.ErrType, "/contents/0/parts/0"},
		{"text type", user(`{"text":["x"]}`), nil, "contents[0].parts[0].text"},
		{"two things in a part", user(`{"text":"x","inlineData":{"data":""}}`), nil, "contents[0].parts[0].inlineData"},
		{"a text in a call's part", model(`{"functionCall":{"name":"a"},"text":"x"}`), nil, "contents[0].parts[0].text"},
		{"a call of the user's", user(`{"functionCall":{"name":"a"}}`), nil, "contents[0]"},
		{"code of the user's", user(`{"executableCode":{"code":"1"}}`), nil, "contents[0]"},
		{"a thought of the user's", user(`{"text":"x","thought":true}`), nil, "contents[0]"},
		{"a result of the model's", model(`{"functionResponse":{"name":"a","response":{}}}`), nil, "contents[0]"},
		{"a text in a function's role", content(`{"role":"function","parts":[{"text":"x"}]}`), nil, "contents[0]"},
		{"a text beside a result", user(`{"functionResponse":{"name":"a","response":{}},"partMetadata":{"x":"y"}}`), nil, "partMetadata"},
		{"an unknown field beside a result", user(`{"functionResponse":{"name":"a","response":{}},"x":"y"}`), nil, "contents[0].parts[0]"},
		{"a call without a name", model(`{"functionCall":{"args":{}}}`), nil, "name"},
		{"arguments type", model(`{"functionCall":{"name":"a","args":"{}"}}`), nil, "functionCall.args"},
		{"a call in pieces", model(`{"functionCall":{"name":"a","partialArgs":[{"jsonPath":"$.a"}]}}`), nil, "partialArgs"},
		{"a call that goes on", model(`{"function_call":{"name":"a","will_continue":true}}`), nil, "will_continue"},
		{"response type", user(`{"functionResponse":{"name":"a","response":"x"}}`), nil, "functionResponse.response"},
		{"an id that is words", model(`{"toolCall":{"id":"do it","toolType":"X"}}`), nil, "toolCall.id"},
		{"a type that is words", model(`{"toolResponse":{"id":"1","toolType":"do it"}}`), nil, "toolResponse.toolType"},
		{"an outcome that is words", model(`{"codeExecutionResult":{"outcome":"do it"}}`), nil, "outcome"},
		{"a file that is data", user(`{"fileData":{"data":"AA=="}}`), nil, "fileData.data"},
		{"data that is a file", user(`{"inlineData":{"fileUri":"gs://a/b"}}`), nil, "inlineData.fileUri"},
		{"a call in the system instruction", around(`"systemInstruction":{"parts":[{"functionCall":{"name":"a"}}]}`), nil, "systemInstruction"},
		{"a result in the system instruction", around(`"systemInstruction":{"parts":[{"functionResponse":{"name":"a"}}]}`), nil, "systemInstruction"},
		{"system instruction type", around(`"systemInstruction":"x"`), nil, "systemInstruction"},

		{"a tool without a name", tool(`{"":{}}`), nil, "tools[0]"},
		{"a tool twice", tool(`{"googleSearch":{}},{"google_search":{}}`), nil, "tools"},
		{"a function twice", tool(`{"functionDeclarations":[{"name":"a"},{"name":"a"}]}`), nil, "tools"},
		{"a function of a tool's name", tool(`{"googleSearch":{},"functionDeclarations":[{"name":"googleSearch"}]}`), nil, "tools"},
		{"a function without a name", tool(`{"functionDeclarations":[{"description":"x"}]}`), nil, "tools[0].functionDeclarations[0]"},
		{"two schemas", tool(`{"functionDeclarations":[{"name":"a","parameters":{},"parametersJsonSchema":{}}]}`), nil, "parametersJsonSchema"},
		{"schema type", tool(`{"functionDeclarations":[{"name":"a","parameters":"x"}]}`), nil, "parameters"},
		{"unknown mode", around(`"toolConfig":{"functionCallingConfig":{"mode":"SOME"}}`), nil, "mode"},
		{"mode of another case", around(`"toolConfig":{"functionCallingConfig":{"mode":"none"}}`), nil, "mode"},
		{"mode as a number", around(`"toolConfig":{"functionCallingConfig":{"mode":3}}`), nil, "mode"},
		{"streamed arguments", around(`"toolConfig":{"functionCallingConfig":{"streamFunctionCallArguments":true}}`), nil, "streamFunctionCallArguments"},
		{"candidates of zero", around(`"generationConfig":{"candidateCount":0}`), nil, "generationConfig.candidateCount"},
		{"too many candidates", around(`"generationConfig":{"candidateCount":9}`), nil, "generationConfig.candidateCount"},
		{"candidates as a string", around(`"generationConfig":{"candidateCount":"2"}`), nil, "generationConfig.candidateCount"},
		{"candidates as a fraction", around(`"generationConfig":{"candidateCount":2.0}`), strictjson.ErrType, "candidateCount"},
		{"temperature type", around(`"generationConfig":{"temperature":"1"}`), nil, "generationConfig.temperature"},
		{"cache type", around(`"cachedContent":{}`), nil, "cachedContent"},
	} {
		_, err := ParseRequest(thePath, []byte(c.doc), strictjson.Limits{})
		var is *llm.FieldError
		switch {
		case err == nil:
			t.Errorf("%s: %s is taken", c.name, c.doc)
		case c.kind != nil && !errors.Is(err, c.kind), c.kind == nil && !errors.As(err, &is), !strings.Contains(err.Error(), c.place):
			t.Errorf("%s: %v", c.name, err)
		}
	}
	doc := `{"contents":[],"tools":[{"functionDeclarations":[{"name":"a"}]}],"toolConfig":{"functionCallingConfig":{"notes":"more"}}}`
	if r, err := ParseRequest(thePath, []byte(doc), strictjson.Limits{}); err != nil {
		t.Error(err)
	} else if out, err := Apply(r, Edit{HideTools: map[string]bool{"a": true}, PartTexts: map[int][]byte{0: []byte("x")}}); err != nil || string(out) != `{"contents":[]}` {
		t.Errorf("a text within what leaves: %s %v", out, err)
	}
	if _, err := ParseRequest(Path{}, []byte(`{"contents":[]}`), strictjson.Limits{}); err == nil {
		t.Error("a path that nobody read is taken")
	}
}
