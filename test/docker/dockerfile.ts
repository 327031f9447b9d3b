/** As much of a Dockerfile as ours has, and what of it works without an engine. */

import { cpSync, readFileSync, statSync } from 'node:fs'
import { join, matchesGlob, relative } from 'node:path'

type Instruction = { name: string; words: string[] }
type Stage = { name: string; image: string; instructions: Instruction[] }

/** Stages by name; the last one, which is the image, by the name of ''. */
export const readDockerfile = (file: string): Map<string, Stage> => {
  const lines = readFileSync(file, 'utf8')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n')
  const stages = new Map<string, Stage>()
  let current: Stage | undefined
  for (const line of lines.filter((each) => each.trim() !== '')) {
    const [name = '', ...words] = line.trim().split(/\s+/)
    if (name === 'FROM') {
      current = { image: words[0]!, name: words[2] ?? '', instructions: [] }
      stages.set(current.name, current)
    } else if (current) current.instructions.push({ name, words })
    else throw new Error(`${name} before the first FROM`)
  }
  return stages
}

/** Whether a file of the repository is sent to the engine at all; the last pattern that fits decides. */
const createSent = (ignoreFile: string) => {
  const patterns = readFileSync(ignoreFile, 'utf8').trim().split('\n')
  return (path: string): boolean => {
    let sent = true
    for (const pattern of patterns) {
      const [glob, isKept] = pattern.startsWith('!') ? [pattern.slice(1), true] : [pattern, false]
      const fits = glob === '*' || matchesGlob(path, glob) || matchesGlob(path, `${glob}/**`)
      if (fits) sent = isKept
    }
    return sent
  }
}

/** Copies what a stage copies: from the repository what is sent, from other stages out of their folders. */
export const copyStage = (
  { instructions }: Stage,
  from: { repository: string; ignoreFile: string; stages?: Record<string, string> },
  into: string,
): void => {
  const isSent = createSent(from.ignoreFile)
  for (const { name, words } of instructions) {
    if (name !== 'COPY') continue
    const other = /^--from=(.*)$/.exec(words[0]!)?.[1]
    const source = other === undefined ? from.repository : from.stages![other]!
    const paths = (other === undefined ? words : words.slice(1)).map((word) =>
      word.replace(/^\/opt\/meshgauge\//, ''),
    )
    const target = paths.pop()!
    for (const path of paths) {
      // A folder's content is copied, a file as it is.
      const place = statSync(join(source, path)).isDirectory() ? join(into, target) : join(into, target, path)
      cpSync(join(source, path), place, {
        recursive: true,
        filter: (each) =>
          other !== undefined || each === join(source, path) || isSent(relative(source, each)),
      })
    }
  }
}
