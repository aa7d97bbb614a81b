// Package agentdojo runs AgentDojo, a benchmark of prompt injection, against the gateway: all 97 tasks and all 949 pairs of a
// task and an injection, with the real openai SDK and a scripted worst-case model that obeys whatever it can read.
//
// The harness is in Python, as AgentDojo is; README.md says what it does. The test here runs its sample.
package agentdojo
