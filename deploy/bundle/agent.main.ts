/** `npm run bundle`: makes the agent one file, which `meshgauge agent` runs from then on. */

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Plugin, rolldown } from 'rolldown'
import { agentBundlePath } from '../../lib/bundle.ts'

/**
 * Stays in node_modules: what is shared by way of one copy of the API, and what is loaded only where traces are sent or
 * somebody asks for channelz.
 */
const EXTERNAL = [/^@opentelemetry\//, /^@grpc\/proto-loader$/]

/** grpc-js reads channelz's .proto file from beside itself; it is still there, only its reader has moved. */
const GRPC_FOLDER = "(import.meta.dirname + '/../node_modules/@grpc/grpc-js/build/src')"

const grpcFolder: Plugin = {
  name: 'where grpc-js is',
  transform: {
    filter: { id: /@grpc\/grpc-js\/build\/src\// },
    handler: (code) => code.replaceAll('__dirname', GRPC_FOLDER),
  },
}

/**
 * V8 keeps a source in which every character has one byte in half the memory of any other. All that is outside of that
 * here stands in strings and regular expressions, where its escape means the same.
 */
const inOneByte = (code: string): string =>
  code.replace(/[^\0-\x7f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

const root = fileURLToPath(new URL('../..', import.meta.url))
const file = agentBundlePath(root)
if (!existsSync(file)) {
  const folder = dirname(file)
  mkdirSync(folder, { recursive: true })
  const bundle = await rolldown({
    cwd: root,
    input: 'agent/serve.main.ts',
    platform: 'node',
    external: EXTERNAL,
    plugins: [grpcFolder],
    // Libraries have oddities of their own; what matters fails the tests.
    logLevel: 'silent',
  })
  // Complete or not there: someone may start an agent at this moment.
  const unfinished = `${file}.${process.pid}`
  // One file, not minified: its stack traces are to be read.
  const { output } = await bundle.generate({ format: 'esm', codeSplitting: false, comments: false })
  writeFileSync(unfinished, inOneByte(output[0].code))
  await bundle.close()
  renameSync(unfinished, file)
  // An agent has all of its file in memory from the start: older files are of no more use to those that run them.
  const older = readdirSync(folder).filter((name) => /^agent-.*\.mjs$/.test(name) && name !== basename(file))
  for (const name of older) rmSync(join(folder, name))
}
console.log(file)
