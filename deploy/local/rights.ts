import { execa } from 'execa'
import { systemPath } from './commands.ts'

/** How namespaces can be had: at once, after reexecInUserNamespace, or not at all. */
export type Rights = {
  namespaces: 'now' | 'in a user namespace' | 'no'
  /** Why not, all reasons, each with what to do. Empty unless `no`. */
  reasons: string[]
}

type Environment = Readonly<Record<string, string | undefined>>

const USER_NAMESPACE = ['unshare', '--user', '--map-root-user']

/** Each of what a lab is made of, tried in a namespace that is gone again at once. */
const PROBES: readonly { args: readonly string[]; failed: string }[] = [
  { args: ['true'], failed: 'a network namespace cannot be made' },
  { args: ['ip', 'link', 'add', 'probe', 'type', 'bridge'], failed: 'the kernel makes no bridge' },
  { args: ['ip', 'link', 'add', 'probe', 'type', 'veth'], failed: 'the kernel makes no veth link' },
  { args: ['tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'htb'], failed: 'the kernel has no htb queue' },
  {
    args: [
      'tc',
      'qdisc',
      'add',
      'dev',
      'lo',
      'root',
      'tbf',
      'rate',
      '1gbit',
      'burst',
      '9999',
      'limit',
      '9999',
    ],
    failed: 'the kernel has no tbf queue',
  },
  { args: ['nft', 'add', 'table', 'bridge', 'probe'], failed: 'nftables has no bridge family' },
]

const PACKAGES: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  tc: 'iproute2',
  nft: 'nftables',
  unshare: 'util-linux',
  setpriv: 'util-linux',
}

const attempt = async (command: readonly string[], environment: Environment): Promise<string | undefined> => {
  const [program = '', ...args] = command
  const result = await execa(program, args, {
    env: { PATH: systemPath(environment.PATH) },
    reject: false,
    timeout: 10_000,
  })
  if (!result.failed) return undefined
  return result.stderr.trim().split('\n')[0] || result.shortMessage
}

const missingPrograms = async (environment: Environment): Promise<string[]> => {
  const programs = Object.keys(PACKAGES)
  const found = await Promise.all(
    programs.map((program) => attempt(['sh', '-c', 'command -v "$1"', 'sh', program], environment)),
  )
  const missing = programs.filter((_, position) => found[position] !== undefined)
  if (missing.length === 0) return []
  const packages = [...new Set(missing.map((program) => PACKAGES[program]))]
  return [`${missing.join(', ')} not found; apt-get install ${packages.join(' ')}`]
}

/** Why the parts of a lab cannot be made by these means; empty when they can. */
const obstacles = async (means: readonly string[], environment: Environment): Promise<string[]> => {
  const failures = await Promise.all(
    PROBES.map(async ({ args, failed }) => {
      const said = await attempt([...means, '--net', '--mount', ...args], environment)
      return said === undefined ? undefined : `${failed} (${said})`
    }),
  )
  // Where not even the namespace can be had, the rest fails for the same reason.
  const [first, ...others] = failures
  return first === undefined ? others.filter((reason) => reason !== undefined) : [first]
}

/** Whether this user can have namespaces here, found out by trying. */
export const checkRights = async (uid: number, environment: Environment): Promise<Rights> => {
  const missing = await missingPrograms(environment)
  if (missing.length > 0) return { namespaces: 'no', reasons: missing }
  const reasons: string[] = []
  if (uid === 0) {
    const asRoot = await obstacles(['unshare'], environment)
    if (asRoot.length === 0) return { namespaces: 'now', reasons: [] }
    reasons.push(...asRoot.map((reason) => `as root: ${reason}`))
  } else {
    reasons.push('you are not root')
  }
  // Root of a container often has no more rights than anyone else, and may still have a user namespace of its own.
  const asAnyone = await obstacles(USER_NAMESPACE, environment)
  if (asAnyone.length === 0) return { namespaces: 'in a user namespace', reasons: [] }
  return {
    namespaces: 'no',
    reasons: [...reasons, ...asAnyone.map((reason) => `in a user namespace: ${reason}`)],
  }
}

/**
 * Own /run, because `ip netns` and the labs keep their state there. The shell stays as process 1 of the new pid
 * namespace and reaps what is orphaned in it, which Node would not; and when it goes, the kernel ends all that is left.
 */
const PRELUDE = 'mount -t tmpfs tmpfs /run && mkdir /run/netns && ip link set lo up || exit 3; "$@"; exit $?'

/** The command that runs `argv` as root of a user namespace of its own. */
const userNamespaceCommand = (argv: readonly string[]): string[] => [
  ...USER_NAMESPACE,
  ...['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
  ...['sh', '-c', PRELUDE, 'meshgauge', ...argv],
]

/** Runs `argv` again with the rights that namespaces need; resolves to its exit code. A lab in there goes with it. */
export const reexecInUserNamespace = async (
  argv: readonly string[],
  environment: Environment,
): Promise<number> => {
  const [program = '', ...args] = userNamespaceCommand(argv)
  const result = await execa(program, args, {
    env: { PATH: systemPath(environment.PATH) },
    stdio: 'inherit',
    reject: false,
  })
  return result.exitCode ?? 1
}
