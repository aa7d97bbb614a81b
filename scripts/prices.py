#!/usr/bin/env python3
"""Writes internal/price/prices.json anew from the figures that the PyPI package litellm carries (MIT), pinned below.

Usage: scripts/prices.py >internal/price/prices.json
"""
import json, pathlib, subprocess, sys, tempfile, zipfile

PACKAGE, AS_OF = "litellm==1.109.1", "2026-11-23"
# Which hosts a catalog's figures hold for, and how its models begin in the package.
CATALOGS = {
    "openai": (["api.openai.com"], "openai", ""),
    "anthropic": (["api.anthropic.com"], "anthropic", ""),
    "gemini": (["generativelanguage.googleapis.com"], "gemini", "gemini/"),
    "groq": (["api.groq.com"], "groq", "groq/"),
    "mistral": (["api.mistral.ai"], "mistral", "mistral/"),
    "cerebras": (["api.cerebras.ai"], "cerebras", "cerebras/"),
    "azure": (["*.openai.azure.com"], "azure", "azure/"),
    "bedrock": (["bedrock-runtime.*.amazonaws.com"], "bedrock", ""),
    "vertex": (["*-aiplatform.googleapis.com", "aiplatform.googleapis.com"], "vertex_ai-language-models", ""),
}
PER_TOKEN = {
    "input": "input_cost_per_token", "output": "output_cost_per_token",
    "cached_read": "cache_read_input_token_cost", "cached_write": "cache_creation_input_token_cost",
}


def million(x):
    return float(f"{x * 1e6:.6g}")


def rates(v, behind=""):
    return {k: million(v[n + behind]) for k, n in PER_TOKEN.items() if isinstance(v.get(n + behind), (int, float))}


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "-d", folder, PACKAGE], check=True)
        wheel = next(pathlib.Path(folder).glob("*.whl"))
        data = json.loads(zipfile.ZipFile(wheel).read("litellm/model_prices_and_context_window_backup.json"))
    out = {"as_of": AS_OF, "catalogs": {}}
    for name, (hosts, provider, begins) in CATALOGS.items():
        models = {}
        for key, v in data.items():
            said = v.get("litellm_provider", "")
            if said != provider and not (provider == "bedrock" and said == "bedrock_converse"):
                continue
            if v.get("mode") not in ("chat", "responses", "completion", "embedding") or not key.startswith(begins):
                continue
            model = key[len(begins):]
            one = rates(v)
            if "/" in model and name in ("azure", "bedrock", "vertex") or (  # those are of one region alone
                "input" not in one and "output" not in one):
                continue
            one.setdefault("output", 0.0) if v.get("mode") == "embedding" else None
            for over in (128, 200, 256, 272):
                more = rates(v, f"_above_{over}k_tokens")
                if more:
                    one["over"] = {"tokens": over * 1000, **more}
            if {"input", "output"} <= one.keys():
                models[model] = one
        out["catalogs"][name] = {"hosts": hosts, "models": dict(sorted(models.items()))}
    lines = [f'{{"as_of": "{AS_OF}", "catalogs": {{']
    names = list(out["catalogs"])
    for name in names:
        c = out["catalogs"][name]
        lines.append(f'  "{name}": {{"hosts": {json.dumps(c["hosts"])}, "models": {{')
        models = list(c["models"].items())
        for i, (model, one) in enumerate(models):
            lines.append(f'    {json.dumps(model)}: {json.dumps(one)}' + ("," if i < len(models) - 1 else ""))
        lines.append("  }}" + ("," if name != names[-1] else ""))
    lines.append("}}")
    print("\n".join(lines))


main()
