/** docs/settings.md and docs/errors.md, written from the tables that the program itself uses. */
import { errorTable } from '../errors.js';
import { defaultText } from './flags.js';
import { flagOf, variableOf } from './names.js';
import { settingGroups, settingNames, settingTable } from './settings.js';

const generated = '<!-- Written by "npm run docs" from the source. Changes here are lost. -->';

export function settingsPage(): string {
  const sections = settingGroups.map((group) => {
    const entries = settingNames
      .filter((name) => settingTable[name].group === group)
      .map((name) => {
        const setting = settingTable[name];
        const fallback = defaultText(name);
        const marathon = 'underMarathon' in setting ? ` · under Marathon \`${setting.underMarathon}\`` : '';
        const lines = [
          `### \`${name}\``,
          '',
          `\`${flagOf(name)} ${setting.takes}\` · \`${variableOf(name)}\`${fallback === undefined ? '' : ` · default \`${fallback}\``}${marathon}`,
          '',
          sentence(setting.help) + ('more' in setting ? ` ${setting.more}` : ''),
        ];
        return lines.join('\n');
      });
    return `## ${group}\n\n${entries.join('\n\n')}`;
  });
  return `${generated}

# Settings

Every setting can be a flag, an environment variable, or a line in a YAML file that \`--config FILE\` (or
\`MESOS_JUPYTER_CONFIG\`) names. A flag wins over the environment, and the environment over the file. An empty variable
counts as not set. What no setting is called like is an error, and so is a value that a setting cannot have; the
message says where it came from. In a task of Marathon's (\`MARATHON_APP_ID\` is set) a few have another default, made from the
variables that Marathon sets; anything that is set is stronger.

\`\`\`yaml
# cluster.yaml
master: http://10.0.0.1:5050
image: registry.example/mesos-jupyter-node:1
ips: [192.0.2.100, 192.0.2.101, 192.0.2.102]
subnet: 192.0.2.0/24
shared: /home/pkusei/gfsmount
memMb: 4096
dockerParameters:
  - memory-swap=4g
\`\`\`

\`run\` needs \`master\`, \`image\`, \`ips\` and \`shared\`; \`teardown\` needs \`master\`, and the \`stateFile\` of the run. \`local\`
needs none; it makes master, addresses and state itself. \`status\` takes \`httpPort\`. \`mesos-jupyter COMMAND --help\` lists what each takes.

${sections.join('\n\n')}
`;
}

export function errorsPage(): string {
  const entries = Object.entries(errorTable).map(
    ([code, { exitCode, cause, cure }]) => `## ${code}\n\nExit status ${exitCode}. ${cause}\n\n${cure}`,
  );
  return `${generated}

# Errors

What ends a command is printed as \`mesos-jupyter: CODE: message\`, and the process ends with the code's exit status: 2 for
what was asked wrongly, 3 for what is missing around it, 4 for a cluster that is not as it should be, 5 when
another scheduler took over, 70 for a defect.
\`--log-level debug\` adds where in the program it happened.

${entries.join('\n\n')}
`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
