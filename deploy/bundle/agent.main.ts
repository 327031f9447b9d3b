/**
 * `npm run bundle`: writes the agent as one file, dist/agent.mjs. It needs a sixth less memory than its sources, which
 * are hundreds of modules. Packages contain it; nothing else rebuilds it or uses it unless MESHGAUGE_AGENT_BUNDLE names it.
 */

import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Plugin, rolldown } from 'rolldown'

/** Not part of the bundle: OpenTelemetry needs a single copy of its API; both are loaded only when they are used. */
const EXTERNAL = [/^@opentelemetry\//, /^@grpc\/proto-loader$/]

/** grpc-js reads channelz.proto relative to its own folder, which the bundle is not in. */
const GRPC_FOLDER = "(import.meta.dirname + '/../node_modules/@grpc/grpc-js/build/src')"

const grpcFolder: Plugin = {
  name: 'folder of grpc-js',
  transform: {
    filter: { id: /@grpc\/grpc-js\/build\/src\// },
    handler: (code) => code.replaceAll('__dirname', GRPC_FOLDER),
  },
}

/**
 * Escapes every character that is not ASCII. V8 stores source text of one-byte characters in half the memory of any other.
 * In this code they occur only in strings and regular expressions, where the escape means the same.
 */
const escapeNonAscii = (code: string): string =>
  code.replace(/[^\0-\x7f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

const root = fileURLToPath(new URL('../..', import.meta.url))
const file = join(root, 'dist', 'agent.mjs')
const bundle = await rolldown({
  cwd: root,
  input: 'agent/serve.main.ts',
  platform: 'node',
  external: EXTERNAL,
  plugins: [grpcFolder],
  // The warnings are about libraries; the tests of the bundle find what matters.
  logLevel: 'silent',
})
// Not minified, so that stack traces are readable.
const { output } = await bundle.generate({ format: 'esm', codeSplitting: false, comments: false })
await bundle.close()
mkdirSync(join(root, 'dist'), { recursive: true })
// An agent may start at this moment: the file is replaced as a whole.
const unfinished = `${file}.${process.pid}`
writeFileSync(unfinished, escapeNonAscii(output[0].code))
renameSync(unfinished, file)
console.log(file)
