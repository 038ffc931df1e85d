import type { Command } from '../command.ts'

export const doctorCommand: Command = {
  summary: 'Say what works on this machine, what does not, and what mends it',
  about:
    'Looks at Node, containment, control groups, the home, the disk and, where a kernel runs, the mesh and ' +
    'its clocks. Each line that is not well has the one command that mends it. Exit code 1 when something ' +
    'keeps this machine from its work.',
  options: { fix: { help: 'Run those that mend the system itself (sudo, chmod), and look again' } },
  examples: ['weaver doctor', 'weaver doctor --fix', 'weaver doctor --json'],
  load: async () => (await import('../actions/doctor.ts')).doctor
}
