import { randomUUID } from 'node:crypto'
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
import { MAX_LABS } from './addresses.ts'
import { FAULT_KINDS } from './faults.ts'
import { formatIdentity, identityOf, isAlive, parseIdentity } from './identity.ts'
import { LabError } from './problems.ts'

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

/** A lab as its state file has it. The faults are those that were set through the lab, one direction each. */
export type Lab = z.infer<typeof labSchema>

const STATE_FILE = 'lab.json'

export const stateDirectory = (root: string, index: number): string => join(root, `lab-${index}`)

/**
 * Where the labs' state lives. Namespaces belong to the whole machine, so root has one place whatever its session's
 * environment says; anyone else's lab lives in a user namespace of their own.
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

/** What it takes to make a lab's number ours: a directory that says so, prepared aside. */
export type Claim = { staging: string; stateDir: string; ownerFile: string; token: string }

export const newClaim = (root: string, index: number): Claim => {
  const token = randomUUID()
  const stateDir = stateDirectory(root, index)
  return { staging: join(root, `.claim-${token}`), stateDir, ownerFile: join(stateDir, 'owner'), token }
}

/**
 * Takes the lab's number for us, or says false when someone has it. Renaming a directory onto one that is not empty
 * fails, so there is one winner; and whoever sees the lab's directory sees whose it is.
 */
export const takeClaim = async (claim: Claim): Promise<boolean> => {
  await mkdir(claim.staging, { recursive: true, mode: 0o700 })
  await writeFile(join(claim.staging, 'owner'), claim.token, { mode: 0o600 })
  try {
    await rename(claim.staging, claim.stateDir)
    return true
  } catch (error) {
    await rm(claim.staging, { recursive: true, force: true })
    if (hasCode(error, 'ENOTEMPTY') || hasCode(error, 'EEXIST')) return false
    throw error
  }
}

/** Still true where the lab's directory is gone: then nobody else can have claimed what is left of it. */
export const isUnclaimedByOthers = async ({ ownerFile, token }: Claim): Promise<boolean> =>
  ['', token].includes(await readIfPresent(ownerFile))

/** The numbers of all labs that have a state directory, whole or not. */
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

/** The lab with this number; a LabError when there is none or its state cannot be read. */
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
    throw new LabError([`${file} is damaged: ${String(error)}; meshgauge lab down clears it away`], {
      cause: error,
    })
  }
  const parsed = labSchema.safeParse(json)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new LabError([`${file} is damaged (${problems.join('; ')}); meshgauge lab down clears it away`])
  }
  return parsed.data
}

export const removeState = async (root: string, index: number): Promise<void> => {
  await rm(stateDirectory(root, index), { recursive: true, force: true })
}

const LOCK_POLL_SECONDS = 0.02

/** Runs `work` while nobody else, in this process or another, changes this lab. A dead holder's lock is taken over. */
export const withLabLock = async <T>(
  stateDir: string,
  { clock, pid }: { clock: Clock; pid: number },
  work: () => Promise<T>,
): Promise<T> => {
  const file = join(stateDir, 'lock')
  const own = `${file}.${randomUUID()}`
  const identity = await identityOf(pid)
  if (!identity) throw new Error(`process ${pid} cannot hold a lock: it is not there`)
  // Written first and linked then, so that a lock always says whose it is.
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
