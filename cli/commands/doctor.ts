import { Flags } from '@oclif/core';
import { ScratchpadCommand } from '../command.ts';

export default class Doctor extends ScratchpadCommand {
  static override summary =
    'What this host can run, what is missing, and the command that mends it.';
  static override description =
    'With --install it installs and starts what is missing, on Debian and Ubuntu: the Docker engine, QEMU, libvirt and Vagrant from the distribution’s own packages.';
  static override examples = [
    '<%= config.bin %> doctor',
    '<%= config.bin %> doctor --install',
    '<%= config.bin %> doctor --install --only docker',
  ];
  static override flags = {
    install: Flags.boolean({
      description: 'install and start what is missing (needs root or sudo)',
    }),
    only: Flags.string({
      description: 'docker, vm or vagrant, comma separated (default: all)',
      helpValue: '<names>',
      dependsOn: ['install'],
    }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Doctor);
    const { runDoctor, formatDoctor, formatInstalled } = await import('../host/doctor.ts');
    const changed = flags.install ? await this.#install(flags.only) : null;
    const report = { ...(await runDoctor()), ...changed };
    this.progress.done();
    if (changed) this.log(`${formatInstalled(changed)}\n`);
    this.log(formatDoctor(report));
    return report;
  }

  async #install(only: string | undefined) {
    const { install, parseParts } = await import('../host/install.ts');
    return install({ what: parseParts(only) }, this.progress, this.signal);
  }
}
