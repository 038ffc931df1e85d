// Goal: a contained process that may reach any host on a port reaches no service of this machine by an address that
// looks public, and no neighbour (attack 16). Method: a kernel in a network namespace of its own, whose interface has such an
// address; a service listens there.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { detectContainment } from '../../../node/containment/detect.ts'
import { Lab, until } from '../kernel/lab.ts'

const OWN = '11.22.33.44'
const PORT = 8099
const NAMESPACE = [
  'unshare',
  '--net',
  'sh',
  '-c',
  `ip link set lo up && ip address add ${OWN}/24 dev lo && exec "$@"`,
  'sh'
]
const SERVICE = `use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0); bind($s, sockaddr_in(${PORT}, inet_aton("0.0.0.0"))) or die;
listen($s, 5); $| = 1; print "listens\\n"; while (accept(my $c, $s)) { print "reached\\n"; sysread($c, my $x, 9999); syswrite($c, "HTTP/1.1 200 OK\\r\\ncontent-length: 6\\r\\n\\r\\ninside"); close $c; }`
/** Asks the proxy, as curl would, and prints what it says. */
const ASK = `use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0); connect($s, sockaddr_in(3128, INADDR_LOOPBACK)) or die;
syswrite($s, "GET http://$ARGV[0]:${PORT}/ HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"); while (sysread($s, my $x, 9999)) { print $x }`

describe('chaos: the machine’s own network', function () {
  this.timeout(60_000)
  let lab: Lab
  let service = ''

  before(async function () {
    const detected = await detectContainment(process.platform, process.arch)
    if (detected.name !== 'bubblewrap') {
      process.stderr.write('skipped: there is no bubblewrap here\n')
      this.skip()
    }
    try {
      execFileSync(NAMESPACE[0] ?? '', [...NAMESPACE.slice(1), 'true'], { stdio: 'pipe' })
    } catch (error) {
      process.stderr.write(`skipped: no network namespace here: ${String(error)}\n`)
      this.skip()
    }
    lab = await Lab.open()
    lab.runBehind('laptop', NAMESPACE)
    await lab.start('laptop')
    const started = ['run', '-d', '--containment', 'none', '--', 'perl', '-e', SERVICE]
    service = (await lab.done('laptop', ...started)).trim()
    await until(async () => (await output()).includes('listens'))
  })
  after(() => lab?.close())

  /** Nothing before it has started. */
  async function output(): Promise<string> {
    return (await lab.weaver('laptop', 'task', 'logs', service)).stdout
  }

  function asked(grant: string, host: string): Promise<string> {
    return lab.done('laptop', 'run', '--grant', grant, '--', 'perl', '-e', ASK, host)
  }

  it('is not reached by a grant of every host', async () => {
    for (const host of [OWN, '[::ffff:11.22.33.44]', '11.22.33.45', '0x0b16212c']) {
      assert.match(await asked(`net:*:${PORT}`, host), /403 Forbidden[^]*neighbour/, host)
    }
    assert.ok(!(await output()).includes('reached'))
  })

  it('is reached by a grant of that very address', async () => {
    assert.match(await asked(`net:${OWN}:${PORT}`, OWN), /inside/)
  })
})
