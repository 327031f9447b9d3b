import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, it } from 'vitest'
import { describeLab } from '../testing/lab.ts'

const script = fileURLToPath(import.meta.resolve('./fixtures/foreign-lab.ts'))
const OTHER_USER = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
/** Root with the rights that it has in a container: no network administration, but user mappings. */
const CONTAINER_ROOT = ['setpriv', '--bounding-set=-all,+setfcap', '--inh-caps=-all']

const run = async (...prefix: string[]): Promise<unknown> => {
  const [program = '', ...args] = [...prefix, process.execPath, script]
  return JSON.parse((await execa(program, args, { timeout: 60_000 })).stdout)
}
/** The error output of a command that the kernel refuses; undefined when it succeeds. Uses no code of meshgauge. */
const refusalOf = async (...command: string[]): Promise<string | undefined> => {
  const [program = '', ...args] = command
  const result = await execa(program, args, { reject: false })
  return result.failed ? result.stderr || result.shortMessage : undefined
}
const noUserNamespaces = await refusalOf(
  ...OTHER_USER,
  'unshare',
  '--user',
  '--map-root-user',
  '--net',
  'true',
)
const unreadable = await refusalOf(...OTHER_USER, process.execPath, '--check', script)
const figures = { pairs: 12, lost: 0, lostWhenCut: 4 }

describeLab('without the rights of root', () => {
  it('a lab works in a user namespace', async ({ skip }) => {
    skip(noUserNamespaces !== undefined, `user namespaces are refused here: ${noUserNamespaces}`)
    skip(unreadable !== undefined, `another user cannot read this checkout: ${unreadable}`)
    expect(await run(...OTHER_USER)).toEqual(figures)
  })

  it('root of a container uses a user namespace', async ({ skip }) => {
    skip(noUserNamespaces !== undefined, `user namespaces are refused here: ${noUserNamespaces}`)
    expect(await run(...CONTAINER_ROOT)).toEqual(figures)
  })

  it('all reasons are reported when a lab is impossible', async ({ skip }) => {
    skip(noUserNamespaces !== undefined, `user namespaces are refused here: ${noUserNamespaces}`)
    const forbid = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    const prefix = ['unshare', '--user', '--map-root-user', 'sh', '-c', forbid, 'sh', ...CONTAINER_ROOT]
    expect(await run(...prefix)).toEqual({
      reasons: [
        expect.stringMatching(
          /^as root: cannot create a network namespace \(unshare: .*Operation not permitted\)$/,
        ),
        expect.stringMatching(
          /^in a user namespace: cannot create a network namespace \(unshare: .*No space left/,
        ),
      ],
    })
  })
})
