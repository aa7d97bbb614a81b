// A real identity provider: npm's oidc-provider, with people who log in and agree to everything at once.
//
//   node provider.mjs '{"clients": [...], "people": {"sara": {"groups": ["finance"]}}}'
//
// Prints "ready" and its issuer identifier. POST /sign-in?sub=NAME says who is at every browser that comes. Access tokens are JWTs (RFC 9068) for the one resource
// that is asked for (RFC 8707). Token exchange (RFC 8693) is a grant type that is registered: of a person's access token, for another
// resource, with who acts.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// What is installed lies elsewhere (scripts/sdks.sh).
const require = createRequire(process.env.OIDC_MODULES + "/");
const load = async (name) => import(pathToFileURL(require.resolve(name)).href);
const { default: Provider, errors } = await load("oidc-provider");
const jose = await load("jose");

const given = JSON.parse(process.argv[2]);
const server = createServer();
await new Promise((listens) => server.listen(0, "127.0.0.1", listens));
const issuer = `http://127.0.0.1:${server.address().port}`;
const exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
const accessToken = "urn:ietf:params:oauth:token-type:access_token";

const { privateKey } = await jose.generateKeyPair("RS256", { extractable: true });
const key = { ...(await jose.exportJWK(privateKey)), use: "sig", alg: "RS256", kid: "one" };

const resourceServer = (resource) => ({
  scope: "repo mcp",
  audience: resource,
  accessTokenFormat: "jwt",
  accessTokenTTL: 600,
  jwt: { sign: { alg: "RS256" } },
});

let who = "";
const provider = new Provider(issuer, {
  clients: given.clients,
  jwks: { keys: [key] },
  scopes: ["openid", "email", "offline_access", "repo", "mcp"],
  claims: { openid: ["sub", "groups"], email: ["email", "email_verified"] },
  conformIdTokenClaims: false,
  findAccount: (_, sub) =>
    given.people[sub] && { accountId: sub, claims: () => ({ sub, ...given.people[sub] }) },
  extraTokenClaims: (_, token) => ({ ...given.people[token.accountId], ...token.extra }),
  issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token"),
  rotateRefreshToken: true,
  pkce: { required: () => true },
  cookies: { keys: ["not a secret: this is a test"] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_, __, many) => many,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => resourceServer(resource),
    },
  },
});

// RFC 8693, section 2.
provider.registerGrantType(
  exchange,
  async (ctx) => {
    const { params, client } = ctx.oidc;
    if (params.subject_token_type !== accessToken || !params.resource) throw new errors.InvalidRequest("an access token, for a resource");
    const keys = jose.createLocalJWKSet({ keys: [{ kty: key.kty, n: key.n, e: key.e, use: "sig", alg: "RS256", kid: "one" }] });
    const { payload } = await jose.jwtVerify(params.subject_token, keys, { issuer, typ: "at+jwt" }).catch(() => {
      throw new errors.InvalidRequest("the subject token is none of mine");
    });
    if (!given.people[payload.sub]) throw new errors.InvalidGrant("nobody's");
    const token = new provider.AccessToken({ accountId: payload.sub, client, scope: params.scope, extra: { act: { sub: client.clientId } } });
    token.resourceServer = new provider.ResourceServer(params.resource, resourceServer(params.resource));
    ctx.body = {
      access_token: await token.save(),
      expires_in: token.expiration,
      issued_token_type: accessToken,
      scope: token.scope,
      token_type: token.tokenType,
    };
  },
  new Set(["subject_token", "subject_token_type", "requested_token_type", "resource", "scope"]),
);

// Whoever comes is who signed in, and agrees to what is asked.
async function interact(req, res) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(req, res);
  if (prompt.name === "login") {
    return provider.interactionFinished(req, res, { login: { accountId: who } });
  }
  const grant = (grantId && (await provider.Grant.find(grantId))) || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(" "));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) grant.addResourceScope(resource, scopes.join(" "));
  return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } });
}

const answer = provider.callback();
server.on("request", (req, res) => {
  const url = new URL(req.url, issuer);
  if (req.method === "POST" && url.pathname === "/sign-in") {
    who = url.searchParams.get("sub");
    res.end();
  } else if (url.pathname.startsWith("/interaction/")) {
    interact(req, res).catch((err) => {
      console.error(err);
      res.statusCode = 500;
      res.end();
    });
  } else {
    answer(req, res);
  }
});
console.log("ready", issuer);
