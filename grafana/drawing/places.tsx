// Where things are: Grafana's map panel without its tiles, which come from the net.
import type { DataFrame, GrafanaTheme2 } from '@grafana/data';

const MARGIN = 28;

export function Places({ frame, width, height, theme }: {
  frame: DataFrame; width: number; height: number; theme: GrafanaTheme2;
}) {
  const column = (name: string) => frame.fields.find((field) => field.name === name)!.values as number[];
  const [latitudes, longitudes] = [column('latitude'), column('longitude')];
  const [south, north] = [Math.min(...latitudes), Math.max(...latitudes)];
  const [west, east] = [Math.min(...longitudes), Math.max(...longitudes)];
  const squeeze = Math.cos((((south + north) / 2) * Math.PI) / 180); // of a degree of longitude
  const scale = Math.min(
    (width - 2 * MARGIN) / (((east - west) * squeeze) || 1),
    (height - 2 * MARGIN) / ((north - south) || 1),
  );
  const x = (longitude: number) => width / 2 + (longitude - (west + east) / 2) * squeeze * scale;
  const y = (latitude: number) => height / 2 - (latitude - (south + north) / 2) * scale;
  return (
    <svg width={width} height={height} style={{ background: theme.colors.background.secondary }}>
      {latitudes.map((latitude, index) => (
        <circle
          key={index} cx={x(longitudes[index])} cy={y(latitude)} r={5}
          fill={theme.visualization.getColorByName('green')} fillOpacity={0.4}
          stroke={theme.visualization.getColorByName('green')}
        />
      ))}
    </svg>
  );
}
