import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../lib/clock.ts'
import { createProcesses, type OutputLine, type Processes, type RunningProcess } from './processes.ts'

const program = (name: string) =>
  fileURLToPath(new URL(`./engines/fixtures/programs/${name}`, import.meta.url))
const open: Processes[] = []
const create = () => {
  const created = createProcesses(
    { logger: pino({ level: 'silent' }), clock: systemClock },
    { graceSeconds: 0.05 },
  )
  open.push(created)
  return created
}
/** Process groups that are not in `open`. They have ended unless the test failed. */
const strays: number[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()))
  for (const group of strays.splice(0)) if (membersOf(group).length > 0) process.kill(-group, 'SIGKILL')
})

/** Processes of a group that still run (a zombie does not), as the kernel sees them. */
const membersOf = (group: number): string[] =>
  readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return Number(pgrp) === group && state !== 'Z'
    } catch {
      return false // It ended during the search.
    }
  })
const groupIsGone = (group: number) =>
  expect.poll(() => membersOf(group), { timeout: 10_000, interval: 20 }).toEqual([])

const forever = () => ({ signal: new AbortController().signal, deadlineSeconds: undefined })
const linesOf = async (child: RunningProcess) => {
  const lines: OutputLine[] = []
  for await (const line of child.lines) lines.push(line)
  return lines
}
const firstLine = async (child: RunningProcess) => {
  for await (const line of child.lines) return line.text
  throw new Error(`no line: ${(await child.done).reason}`)
}

test('yields the lines of both streams and the result', async () => {
  const child = await create().start('sh', ['-c', 'echo one; echo two >&2; printf three; exit 4'], forever())
  const lines = await linesOf(child)
  expect(lines.filter((line) => line.stream === 'stdout').map((line) => line.text)).toEqual(['one', 'three'])
  expect(lines.filter((line) => line.stream === 'stderr').map((line) => line.text)).toEqual(['two'])
  expect(await child.done).toEqual({
    exitCode: 4,
    signal: '',
    stderrTail: 'two',
    timedOut: false,
    aborted: false,
    flooded: false,
    notFound: false,
    reason: 'sh ended with exit code 4: two',
  })
})

test('runs programs in the C locale and without the variables of the agent', async () => {
  process.env.MESHGAUGE_TEST_SECRET = 'secret'
  const { stdout, reason } = await create().run('env', [], { ...forever(), deadlineSeconds: 10 })
  expect(stdout).toContain('LC_ALL=C\n')
  expect(stdout).not.toContain('secret')
  expect(reason).toBe('')
})

test('reports a program that does not exist', async () => {
  const child = await create().start('meshgauge-no-such-program', [], forever())
  expect(await linesOf(child)).toEqual([])
  expect(await child.done).toMatchObject({
    notFound: true,
    exitCode: undefined,
    reason: 'meshgauge-no-such-program is not installed',
  })
  const notExecutable = await create().run('/etc/passwd', [], forever())
  expect(notExecutable).toMatchObject({ notFound: true, reason: '/etc/passwd could not be started: EACCES' })
})

test('reports the signal that ended a program', async () => {
  const result = await create().run(program('dies'), [], forever())
  expect(result).toMatchObject({ signal: 'SIGSEGV', exitCode: undefined, stdout: 'half a line\n' })
  expect(result.reason).toMatch(/ended by SIGSEGV$/)
})

test.each(['hangs', 'ignores-sigterm', 'forks'])('aborting ends the whole group: %s', async (name) => {
  const controller = new AbortController()
  const child = await create().start(program(name), [], {
    signal: controller.signal,
    deadlineSeconds: undefined,
  })
  if (name !== 'hangs') expect(await firstLine(child)).toBe('ready')
  expect(membersOf(child.pid!).length).toBeGreaterThan(0)
  controller.abort()
  expect(await child.done).toMatchObject({ aborted: true, timedOut: false })
  await groupIsGone(child.pid!)
})

test('the deadline ends the whole group', async () => {
  const child = await create().start(program('ignores-sigterm'), [], {
    signal: new AbortController().signal,
    deadlineSeconds: 0.2,
  })
  expect(await child.done).toMatchObject({ timedOut: true, aborted: false, signal: 'SIGKILL' })
  expect((await child.done).reason).toMatch(/did not end within 0.2 s$/)
  await groupIsGone(child.pid!)
})

test('ends the children that a program leaves in its group, although they keep its output open', async () => {
  const child = await create().start(program('leaves-a-child-behind'), [], forever())
  expect(await child.done).toMatchObject({ exitCode: 0, reason: '' })
  await groupIsGone(child.pid!)
})

test.each(['floods', 'floods-stderr', 'one-long-line'])(
  'ends a program that writes too much, read or not: %s',
  async (name) => {
    const processes = create()
    const limits = { burstBytes: 1_000_000, bytesPerSecond: 0 }
    const unread = await processes.start(program(name), [], { ...forever(), limits })
    expect(await unread.done).toMatchObject({ flooded: true, aborted: false })
    expect((await unread.done).reason).toMatch(/was ended: it wrote/)
    const read = await processes.start(program(name), [], { ...forever(), limits })
    let bytes = 0
    for await (const line of read.lines) bytes += line.text.length
    expect(bytes).toBeLessThanOrEqual(1_000_000)
    expect(await read.done).toMatchObject({ flooded: true })
    await groupIsGone(read.pid!)
  },
)

test('a background program has the lowest priority, in its session and among sessions; others have the normal one', async () => {
  const processes = create()
  const background = await processes.start('sleep', ['9'], { ...forever(), isBackground: true })
  const normal = await processes.start('sleep', ['9'], forever())
  expect([getPriority(background.pid), getPriority(normal.pid)]).toEqual([19, 0])
  const autogroup = `/proc/${background.pid}/autogroup`
  // Kernels without CONFIG_SCHED_AUTOGROUP lack the file.
  if (existsSync(autogroup)) expect(readFileSync(autogroup, 'utf8')).toMatch(/ nice 19\n/)
})

test('an aborted call starts nothing', async () => {
  const processes = create()
  const started = processes.start('true', [], { signal: AbortSignal.abort(), deadlineSeconds: 1 })
  await expect(started).rejects.toThrow(/abort/i)
})

test('closing ends all programs and refuses new ones', async () => {
  const processes = create()
  const child = await processes.start(program('forks'), [], forever())
  await firstLine(child)
  await processes.close()
  expect(await child.done).toMatchObject({ aborted: true })
  await groupIsGone(child.pid!)
  await expect(processes.start('true', [], forever())).rejects.toThrow('nothing can be started')
})

/** Returns the process id of the guard of an agent. */
const guardOf = (parent: number): number | undefined =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map(Number)
    .find((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        const isChild = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent
        return (
          isChild && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('while read -r operation group')
        )
      } catch {
        return false // It ended during the search.
      }
    })

const startAgent = async () => {
  const agent = execa(process.execPath, [program('agent.ts'), program('ignores-sigterm'), program('forks')], {
    reject: false,
    detached: true,
  })
  const groups: number[] = []
  const started = Promise.withResolvers<void>()
  createInterface(agent.stdout).on('line', (line) => {
    if (line === 'all started') started.resolve()
    else groups.push(Number(line.split(' ')[0]))
  })
  await Promise.race([started.promise, agent])
  strays.push(agent.pid!, ...groups)
  return { agent, pid: agent.pid!, groups }
}

test.each(['with its first guard', 'after its guard was killed'])(
  'kill -9 of the agent ends all its programs: %s',
  async (how) => {
    const { agent, pid, groups } = await startAgent()
    expect(groups).toHaveLength(2)
    for (const group of groups) expect(membersOf(group)).not.toEqual([])
    const guard = guardOf(pid)!
    expect(guard).toBeGreaterThan(0)
    let last = guard
    if (how !== 'with its first guard') {
      process.kill(guard, 'SIGKILL')
      const next = () => guardOf(pid) ?? guard
      await expect.poll(next, { timeout: 10_000 }).not.toBe(guard)
      last = next()
    }
    // A terminal or a service manager sends SIGTERM first; the guard must survive it.
    process.kill(last, 'SIGTERM')
    process.kill(-pid, 'SIGKILL')
    await agent
    for (const group of groups) await groupIsGone(group)
    await groupIsGone(last)
  },
)

test('the guard does not kill groups that have ended', async () => {
  const processes = create()
  await processes.run('true', [], forever())
  const running = await processes.start(program('ignores-sigterm'), [], forever())
  await firstLine(running)
  await Promise.all(Array.from({ length: 30 }, () => processes.run('true', [], forever())))
  expect(membersOf(running.pid!)).not.toEqual([])
  expect(await running.end()).toMatchObject({ aborted: true })
  await groupIsGone(running.pid!)
})
