import { randomUUID } from 'node:crypto'
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
import { MAX_LABS } from './addresses.ts'
import { FAULT_KINDS } from './faults.ts'
import { formatIdentity, identityOf, isAlive, parseIdentity } from './identity.ts'
import { LabError } from './lab-error.ts'

const rateSchema = z.union([z.number().positive(), z.literal('unlimited')])

const labSchema = z.object({
  version: z.literal(1),
  index: z.number().int().nonnegative(),
  kind: z.enum(['namespaces', 'loopback']),
  stateDir: z.string(),
  racks: z.number().int().positive(),
  rateBitsPerSecond: rateSchema,
  uplinkBitsPerSecond: rateSchema,
  nodes: z.array(
    z.object({
      name: z.string(),
      namespace: z.string().optional(),
      rack: z.string(),
      management: z.string(),
      interfaces: z.array(
        z.object({ name: z.string(), address: z.string(), address6: z.string().optional() }),
      ),
    }),
  ),
  faults: z.array(
    z.object({
      kind: z.enum(FAULT_KINDS),
      node: z.string(),
      peer: z.string().optional(),
      interface: z.string(),
      direction: z.enum(['tx', 'rx', 'both']),
      value: z.number().optional(),
    }),
  ),
})

/** A lab as stored in its state file. Each fault has one direction. */
export type Lab = z.infer<typeof labSchema>

const STATE_FILE = 'lab.json'

export const stateDirectory = (root: string, index: number): string => join(root, `lab-${index}`)

/**
 * The folder with the state of all labs. For root it does not depend on the environment, because network namespaces are
 * shared by the whole machine. Another user's labs are in a user namespace, so each user has a separate folder.
 */
export const stateRoot = (
  uid: number,
  environment: Readonly<Record<string, string | undefined>>,
  temporary: string,
): string => {
  if (uid === 0) return '/run/meshgauge'
  const runtime = environment.XDG_RUNTIME_DIR
  return runtime ? join(runtime, 'meshgauge') : join(temporary, `meshgauge-${uid}`)
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code

const readIfPresent = async (file: string): Promise<string> => {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return ''
    throw error
  }
}

const linkIfAbsent = async (from: string, to: string): Promise<boolean> => {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
}

/**
 * The files that show who owns a lab number. `staging` is a new directory with an owner file that contains a random
 * token; it becomes the lab's state directory.
 */
export type Ownership = { staging: string; stateDir: string; ownerFile: string; token: string }

/** Chooses a token and the paths; writes nothing. */
export const prepareOwnership = (root: string, index: number): Ownership => {
  const token = randomUUID()
  const stateDir = stateDirectory(root, index)
  return { staging: join(root, `.claim-${token}`), stateDir, ownerFile: join(stateDir, 'owner'), token }
}

/**
 * Claims the lab number for this process; false when it is already owned. Renaming a directory onto a directory that is
 * not empty fails, so exactly one process succeeds, and a lab's directory always contains its owner file.
 */
export const takeOwnership = async (ownership: Ownership): Promise<boolean> => {
  await mkdir(ownership.staging, { recursive: true, mode: 0o700 })
  await writeFile(join(ownership.staging, 'owner'), ownership.token, { mode: 0o600 })
  try {
    await rename(ownership.staging, ownership.stateDir)
    return true
  } catch (error) {
    await rm(ownership.staging, { recursive: true, force: true })
    if (hasCode(error, 'ENOTEMPTY') || hasCode(error, 'EEXIST')) return false
    throw error
  }
}

/** True when the owner file has another token. False when the file is missing: then no other process owns the number. */
export const isOwnedByAnother = async ({ ownerFile, token }: Ownership): Promise<boolean> =>
  !['', token].includes(await readIfPresent(ownerFile))

/** The numbers of all labs that have a state directory, complete or not. */
export const knownIndexes = async (root: string): Promise<number[]> => {
  try {
    const names = await readdir(root)
    const indexes = names.flatMap((name) => /^lab-(\d+)$/.exec(name)?.[1] ?? []).map(Number)
    return indexes.filter((index) => index < MAX_LABS).sort((a, b) => a - b)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

export const saveLab = async (lab: Lab): Promise<void> => {
  const file = join(lab.stateDir, STATE_FILE)
  await writeFile(`${file}.new`, `${JSON.stringify(lab, undefined, 2)}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/** Reads the lab with this number. Throws a LabError when there is none or its state file is damaged. */
export const loadLab = async (root: string, index: number): Promise<Lab> => {
  const file = join(stateDirectory(root, index), STATE_FILE)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    throw new LabError([`there is no lab ${index} (no ${file})`], { cause: error })
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new LabError([`${file} is damaged: ${String(error)}; meshgauge lab down removes it`], {
      cause: error,
    })
  }
  const parsed = labSchema.safeParse(json)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new LabError([`${file} is damaged (${problems.join('; ')}); meshgauge lab down removes it`])
  }
  return parsed.data
}

export const removeState = async (root: string, index: number): Promise<void> => {
  await rm(stateDirectory(root, index), { recursive: true, force: true })
}

const LOCK_POLL_SECONDS = 0.02

/** Runs `work` with an exclusive lock on this lab, across processes. The lock of a dead process is removed. */
export const withLabLock = async <T>(
  stateDir: string,
  { clock, pid }: { clock: Clock; pid: number },
  work: () => Promise<T>,
): Promise<T> => {
  const file = join(stateDir, 'lock')
  const own = `${file}.${randomUUID()}`
  const identity = await identityOf(pid)
  if (!identity) throw new Error(`process ${pid} cannot take a lock: there is no such process`)
  // The file is complete before it is linked, so a lock always names its holder.
  await writeFile(own, formatIdentity(identity), { mode: 0o600 })
  try {
    while (!(await linkIfAbsent(own, file))) {
      const holder = parseIdentity(await readIfPresent(file))
      if (holder && !(await isAlive(holder))) await rm(file, { force: true })
      else await clock.sleep(LOCK_POLL_SECONDS)
    }
    try {
      return await work()
    } finally {
      await rm(file, { force: true })
    }
  } finally {
    await rm(own, { force: true })
  }
}
