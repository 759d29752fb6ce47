// One dashboard as Grafana's own components draw it. `window.drawn` is what draw.mjs puts in: the
// dashboard's JSON, the time that it shows, and each panel's answers as series or rows.
import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import {
  createDataFrame, createTheme, dateTime, type Field, FieldType, getDisplayProcessor,
  type DataFrame, type GrafanaTheme2, type TimeRange,
} from '@grafana/data';
import { LegendDisplayMode } from '@grafana/schema';
import {
  BigValue, BigValueColorMode, BigValueGraphMode, PanelChrome, Table, ThemeContext, TimeSeries,
} from '@grafana/ui';
import { createRoot } from 'react-dom/client';

import { Places } from './places';

interface Column { name: string; kind: 'time' | 'number' | 'string'; values: unknown[] }
interface Panel {
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  fieldConfig?: { defaults?: { unit?: string } };
}
interface Drawn {
  board: { title: string; panels: Panel[] };
  answers: Column[][][]; // by panel: tables of columns; of a series: its time and its values
  from_ms: number;
  to_ms: number;
  width: number;
}

const CELL_HEIGHT = 38;
const GAP = 8;
const TITLE_HEIGHT = 44;
const KINDS = { time: FieldType.time, number: FieldType.number, string: FieldType.string };

const drawn = (window as unknown as { drawn: Drawn }).drawn;
const theme = createTheme({ colors: { mode: 'light' } });

function rangeOf(): TimeRange {
  const [from, to] = [dateTime(drawn.from_ms), dateTime(drawn.to_ms)];
  return { from, to, raw: { from, to } };
}

function frameOf(columns: Column[], unit: string | undefined, index: number): DataFrame {
  const frame = createDataFrame({
    fields: columns.map(({ name, kind, values }) => ({
      name,
      type: KINDS[kind],
      values,
      config: kind === 'number' ? { unit, displayName: name, min: 0, ...LOOK } : {},
    })),
  });
  frame.fields.forEach((field: Field) => {
    field.state = { displayName: field.name, seriesIndex: index };
    field.display = getDisplayProcessor({ field, theme });
  });
  return frame;
}

const LOOK = {
  color: { mode: 'palette-classic' },
  custom: { drawStyle: 'line', lineWidth: 1, fillOpacity: 10, showPoints: 'never', spanNulls: 60_000 },
};

function Body({ panel, answers, width, height }: {
  panel: Panel; answers: Column[][]; width: number; height: number;
}) {
  const unit = panel.fieldConfig?.defaults?.unit;
  const frames = answers.map((columns, index) => frameOf(columns, unit, index));
  if (frames.length === 0) {
    return <div style={{ padding: 8, color: theme.colors.text.secondary }}>No data</div>;
  }
  switch (panel.type) {
    case 'timeseries':
      return (
        <TimeSeries
          frames={frames} timeRange={rangeOf()} timeZone="utc" width={width} height={height}
          legend={{ displayMode: LegendDisplayMode.List, placement: 'bottom', showLegend: true, calcs: [] }}
        />
      );
    case 'stat':
      return <Numbers frames={frames} width={width} height={height} theme={theme} />;
    case 'geomap':
      return <Places frame={frames[0]} width={width} height={height} theme={theme} />;
    default:
      return <Table data={frames[0]} width={width} height={height} />;
  }
}

function Numbers({ frames, width, height, theme }: {
  frames: DataFrame[]; width: number; height: number; theme: GrafanaTheme2;
}) {
  return (
    <div style={{ display: 'flex' }}>
      {frames.map((frame, index) => {
        const field = frame.fields[frame.fields.length - 1];
        const value = field.display!(field.values[field.values.length - 1]);
        const title = frames.length > 1 ? field.name : undefined;
        return (
          <BigValue
            key={index} value={{ ...value, title, color: theme.visualization.getColorByName('green') }}
            theme={theme} width={width / frames.length} height={height}
            colorMode={BigValueColorMode.Value} graphMode={BigValueGraphMode.None}
          />
        );
      })}
    </div>
  );
}

function Board() {
  const column = drawn.width / 24;
  return (
    <ThemeContext.Provider value={theme}>
      <h1 style={{ font: `500 20px ${theme.typography.fontFamily}`, margin: '10px 8px' }}>
        {drawn.board.title}
      </h1>
      {drawn.board.panels.map((panel, index) => {
        const at = panel.gridPos;
        const [width, height] = [at.w * column - GAP, at.h * CELL_HEIGHT - GAP];
        const place = { left: at.x * column + GAP / 2, top: TITLE_HEIGHT + at.y * CELL_HEIGHT };
        return (
          <div key={index} style={{ position: 'absolute', ...place }}>
            <PanelChrome title={panel.title} width={width} height={height}>
              {(innerWidth: number, innerHeight: number) => (
                <Body panel={panel} answers={drawn.answers[index]} width={innerWidth} height={innerHeight} />
              )}
            </PanelChrome>
          </div>
        );
      })}
    </ThemeContext.Provider>
  );
}

const style = document.createElement('style');
style.textContent = `
  * { box-sizing: border-box }
  body { margin: 0; background: ${theme.colors.background.canvas}; color: ${theme.colors.text.primary};
         font: ${theme.typography.body.fontSize} ${theme.typography.fontFamily}; line-height: 1.57 }
  h1, h2 { margin: 0; font-weight: 500 }
  button { background: none; border: 0; padding: 0; color: inherit; font: inherit }`;
document.head.append(style);
createRoot(document.getElementById('root')!).render(<Board />);
