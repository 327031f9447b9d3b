/**
 * The agent as one file. It needs a sixth less memory than its sources do, which are hundreds of modules, and it is whole
 * in memory: what is done to the files of a running agent does not touch it.
 */

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

/** Everything that the file is made of: what an agent may import, and the versions of the libraries. */
const SOURCES = ['agent', 'lib', 'proto/gen']
const VERSIONS = ['package.json', 'package-lock.json']

/** What only tests need is not shipped everywhere. */
const TESTS = /\.test\.ts$|(^|\/)(fixtures|testing)(\/|$)/

const filesOf = (root: string): string[] => {
  const found = SOURCES.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name))),
  )
  return [...found.filter((file) => !TESTS.test(file)).sort(), ...VERSIONS]
}

/**
 * Where the file is, or would be, that was made of exactly the sources under `root`: its name tells what it is made of,
 * so that one of other sources is never run in their place.
 */
export const agentBundlePath = (root: string): string => {
  const digest = createHash('sha256')
  for (const file of filesOf(root)) digest.update(`${file}\n`).update(readFileSync(join(root, file)))
  return join(root, 'dist', `agent-${digest.digest('hex').slice(0, 16)}.mjs`)
}
