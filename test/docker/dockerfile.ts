// Parses our Dockerfile and executes its COPY instructions without a container engine.

import { cpSync, readFileSync, statSync } from 'node:fs'
import { join, matchesGlob, relative } from 'node:path'

type Instruction = { name: string; words: string[] }
type Stage = { name: string; image: string; instructions: Instruction[] }

/** Parses the stages by name. The last one, which is the image, has the name ''. */
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

/** Returns a function that tells whether .dockerignore allows a file. The last matching pattern decides. */
const createContextFilter = (ignoreFile: string) => {
  const patterns = readFileSync(ignoreFile, 'utf8').trim().split('\n')
  return (path: string): boolean => {
    let sent = true
    for (const pattern of patterns) {
      const [glob, isKept] = pattern.startsWith('!') ? [pattern.slice(1), true] : [pattern, false]
      const matches = glob === '*' || matchesGlob(path, glob) || matchesGlob(path, `${glob}/**`)
      if (matches) sent = isKept
    }
    return sent
  }
}

/** Executes the COPY instructions of a stage, from the build context or from the folders of other stages. */
export const copyStage = (
  { instructions }: Stage,
  from: { repository: string; ignoreFile: string; stages?: Record<string, string> },
  into: string,
): void => {
  const isSent = createContextFilter(from.ignoreFile)
  for (const { name, words } of instructions) {
    if (name !== 'COPY') continue
    const other = /^--from=(.*)$/.exec(words[0]!)?.[1]
    const source = other === undefined ? from.repository : from.stages![other]!
    const paths = (other === undefined ? words : words.slice(1)).map((word) =>
      word.replace(/^\/opt\/meshgauge\//, ''),
    )
    const target = paths.pop()!
    for (const path of paths) {
      // COPY copies the content of a folder, and a file itself.
      const place = statSync(join(source, path)).isDirectory() ? join(into, target) : join(into, target, path)
      cpSync(join(source, path), place, {
        recursive: true,
        filter: (each) =>
          other !== undefined || each === join(source, path) || isSent(relative(source, each)),
      })
    }
  }
}
