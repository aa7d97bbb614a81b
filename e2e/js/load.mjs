// What the scripts of this folder share: where the SDKs are, who asks, and how checks are run.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// load imports a package of .tools/js, which is away from these files.
const require = createRequire(process.env.YJ_SDK + "/");
export const load = (name) => import(pathToFileURL(require.resolve(name)).href);

// version is a package's, as it is installed.
export const version = (name) => `${name} ${require(`./node_modules/${name}/package.json`).version}`;

export const { YJ_URL: URL, YJ_SARA: SARA, YJ_MONA: MONA, YJ_EXPIRED: EXPIRED } = process.env;

// run plays named checks one after the other, says which failed, and ends the process.
export async function run(of, checks) {
  let failed = 0;
  for (const [name, check] of checks) {
    try {
      await check();
    } catch (e) {
      failed++;
      console.log("FAILED", name, e.stack, e.body ?? "", `${e.cause ?? ""}`);
    }
  }
  console.log(`${checks.length} checks of ${of.map(version).join(", ")} on Node ${process.versions.node}, ${failed} failed`);
  process.exit(failed || !checks.length ? 1 : 0);
}
