/**
 * Part of `npm run check`: the committed stubs match the protos, and the protos are compatible with the published API in
 * proto/v1.binpb.
 */

import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'

const folder = mkdtempSync(join(tmpdir(), 'meshgauge-generated-'))
const tool = execa({ preferLocal: true, reject: false, all: true })
const problems: string[] = []
try {
  for (const part of ['proto', 'buf.yaml', 'buf.gen.yaml'])
    cpSync(part, join(folder, part), { recursive: true })
  const local = join(process.cwd(), 'node_modules/.bin')
  const generated = await tool('sh', ['proto/generate.sh', join(process.cwd(), 'node_modules')], {
    cwd: folder,
    env: { PATH: `${local}:${process.env.PATH}` },
  })
  if (generated.failed) problems.push(`npm run generate fails:\n${generated.all}`)
  else {
    const difference = await tool('diff', ['-rq', 'proto/gen', join(folder, 'proto/gen')])
    if (difference.failed)
      problems.push(`proto/gen differs from the output of \`npm run generate\`:\n${difference.all}`)
  }
  const breaking = await tool('buf', ['breaking', '--against', 'proto/v1.binpb'])
  if (breaking.failed) problems.push(`the protos break version 1 of the API:\n${breaking.all}`)
} finally {
  rmSync(folder, { recursive: true })
}
for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0
