import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  type Cgroup,
  createCgroup,
  listCgroups,
  oomKills,
  procsFiles,
} from '../../cli/targets/bare/cgroup.ts';
import { type CgroupLayout, cgroupLayout } from '../../cli/targets/bare/cgroup-layout.ts';
import { limitsFor } from '../../cli/targets/options.ts';

const isRoot = process.geteuid?.() === 0;

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'scratchpad-cgroup-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function file(...path: string[]): string {
  return readFileSync(join(...path), 'utf8');
}

/** A cgroup folder as far as its files go. */
function fakeGroup(path: string, files: Record<string, string> = {}): void {
  mkdirSync(path, { recursive: true });
  for (const [name, text] of Object.entries({ 'cgroup.procs': '', ...files })) {
    writeFileSync(join(path, name), text);
  }
}

describe('where a cgroup can be made', () => {
  it('nowhere without cgroups: the reason is told', () => {
    assert.deepEqual(cgroupLayout({ mountinfo: '', own: '', root: true }), {
      version: null,
      reason: 'no cgroup file system is mounted',
    });
    const without = cgroupLayout(null);
    assert.match(without.version === null ? without.reason : '', /has no cgroups/);
  });

  it('version 1, also where two controllers share a mount and version 2 is mounted beside', (t) => {
    const root = folder(t);
    for (const name of ['cpu,cpuacct', 'memory', 'unified']) mkdirSync(join(root, name));
    const mountinfo = [
      `30 25 0:26 / ${root}/unified rw - cgroup2 cgroup2 rw`,
      `31 25 0:27 / ${root}/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct`,
      `32 25 0:28 / ${root}/memory rw - cgroup cgroup rw,memory`,
      `33 25 0:29 / ${root}/systemd rw - cgroup cgroup rw,name=systemd`,
    ].join('\n');
    assert.deepEqual(cgroupLayout({ mountinfo, own: '', root: true }), {
      version: 1,
      mounts: {
        cpu: `${root}/cpu,cpuacct`,
        cpuacct: `${root}/cpu,cpuacct`,
        memory: `${root}/memory`,
      },
    });
  });

  it('version 2, as root, at the top', (t) => {
    const root = folder(t);
    const mountinfo = `30 25 0:26 / ${root} rw - cgroup2 cgroup2 rw`;
    assert.deepEqual(cgroupLayout({ mountinfo, own: '0::/', root: true }), {
      version: 2,
      parent: root,
      mount: root,
    });
  });

  // root may write everywhere, so rights cannot be tested with it
  const unprivileged = { skip: isRoot ? 'needs a user who is not root' : false };

  it('version 2, as a user, at the highest folder that is delegated', unprivileged, (t) => {
    const root = folder(t);
    const slice = join(root, 'user.slice');
    const service = join(slice, 'user@1000.service');
    const files = { 'cgroup.subtree_control': '' };
    for (const path of [root, slice, service, join(service, 'app.slice')]) fakeGroup(path, files);
    fakeGroup(join(service, 'app.slice', 'run-1.scope'));
    for (const path of [root, slice]) chmodSync(join(path, 'cgroup.procs'), 0o444);
    const mountinfo = `30 25 0:26 / ${root} rw - cgroup2 cgroup2 rw`;
    const own = '0::/user.slice/user@1000.service/app.slice/run-1.scope\n';
    assert.deepEqual(cgroupLayout({ mountinfo, own, root: false }), {
      version: 2,
      parent: service,
      mount: root,
    });
  });

  it('version 2, as a user from an ssh session: nowhere, with the command that helps', (t) => {
    const root = folder(t);
    const session = join(root, 'user.slice', 'session-3.scope');
    mkdirSync(session, { recursive: true }); // no cgroup.procs anywhere that could be written
    const mountinfo = `30 25 0:26 / ${root} rw - cgroup2 cgroup2 rw`;
    const layout = cgroupLayout({ mountinfo, own: '0::/user.slice/session-3.scope', root: false });
    assert.match(layout.version === null ? layout.reason : '', /systemd-run --user --scope/);
  });
});

describe('the ceilings of a cgroup', () => {
  const limits = limitsFor('bare', { cpus: 1.5, memoryBytes: 512 * 1024 * 1024 });

  it('version 1: quota, memory without swap, pids, and a cpuset that can take a process', (t) => {
    const root = folder(t);
    const mounts = Object.fromEntries(
      ['cpu', 'memory', 'pids', 'cpuset'].map((name) => [name, join(root, name)]),
    );
    fakeGroup(join(root, 'cpuset'), { 'cpuset.cpus': '0-3\n', 'cpuset.mems': '0\n' });
    const swap = join(root, 'memory', 'scratchpad', 'x');
    fakeGroup(swap, { 'memory.memsw.limit_in_bytes': '' });
    const layout: CgroupLayout = { version: 1, mounts };
    const cgroup = createCgroup('x', limits, [1, 3], layout) as Cgroup;
    assert.deepEqual(cgroup.warnings, []);
    assert.equal(cgroup.pinned, true);
    const at = (controller: string) => join(root, controller, 'scratchpad', 'x');
    assert.equal(file(at('cpu'), 'cpu.cfs_period_us'), '100000');
    assert.equal(file(at('cpu'), 'cpu.cfs_quota_us'), '150000');
    assert.equal(file(at('memory'), 'memory.limit_in_bytes'), '536870912');
    assert.equal(file(at('memory'), 'memory.memsw.limit_in_bytes'), '536870912');
    assert.equal(file(at('pids'), 'pids.max'), '256');
    assert.equal(file(root, 'cpuset', 'scratchpad', 'cpuset.cpus'), '0-3');
    assert.equal(file(at('cpuset'), 'cpuset.mems'), '0');
    assert.equal(file(at('cpuset'), 'cpuset.cpus'), '1,3');
    assert.deepEqual(listCgroups('x', layout), ['x']);
    assert.deepEqual(listCgroups('y', layout), []);
  });

  it('version 1: a controller that is not mounted is a warning, not a silence', (t) => {
    const root = folder(t);
    const layout: CgroupLayout = { version: 1, mounts: { memory: join(root, 'memory') } };
    const cgroup = createCgroup('x', limits, null, layout) as Cgroup;
    assert.match(
      cgroup.warnings.join('\n'),
      /no cgroup controller "cpu": cpu.cfs_quota_us not set/,
    );
    assert.equal(cgroup.pinned, false);
  });

  it('version 2: the files are set where the controllers are enabled, else it warns', (t) => {
    const root = folder(t);
    fakeGroup(join(root, 'scratchpad', 'x'), { 'cpu.max': '', 'memory.max': '', 'pids.max': '' });
    const layout: CgroupLayout = { version: 2, parent: root, mount: root };
    const cgroup = createCgroup('x', limits, [0], layout) as Cgroup;
    const at = join(root, 'scratchpad', 'x');
    assert.equal(file(at, 'cpu.max'), '150000 100000');
    assert.equal(file(at, 'memory.max'), '536870912');
    assert.equal(file(at, 'pids.max'), '256');
    assert.deepEqual(cgroup.warnings, [
      `cpuset.cpus not set: its controller is not enabled below ${root}`,
    ]);
    assert.equal(cgroup.pinned, false);
    assert.deepEqual(procsFiles(cgroup), [join(at, 'cgroup.procs')]);
  });

  it('where none can be made the reason is told and nothing is left', (t) => {
    const root = folder(t);
    writeFileSync(join(root, 'memory'), 'a file');
    const layout: CgroupLayout = {
      version: 1,
      mounts: { cpu: join(root, 'cpu'), memory: join(root, 'memory') },
    };
    const made = createCgroup('x', limits, null, layout);
    assert.match('reason' in made ? made.reason : '', /ENOTDIR|EEXIST/);
    assert.equal(existsSync(join(root, 'cpu', 'scratchpad', 'x')), false);
  });

  it('kills for want of memory are counted, in both versions', (t) => {
    const root = folder(t);
    writeFileSync(
      join(root, 'memory.oom_control'),
      'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n',
    );
    writeFileSync(join(root, 'memory.events'), 'low 0\noom 1\noom_kill 3\noom_group_kill 0\n');
    const base = { pinned: false, warnings: [] };
    assert.equal(oomKills({ version: 1, folders: { memory: root }, ...base }), 2);
    assert.equal(oomKills({ version: 2, folders: { unified: root }, ...base }), 3);
    assert.equal(oomKills({ version: 1, folders: { memory: join(root, 'none') }, ...base }), null);
  });
});
