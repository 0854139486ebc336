"""The interface in German. Error messages, which name files and settings, are in English."""

WORDS = {
    "Add Key Frame": "Schlüsselbild hinzufügen",
    "Add a Cleanplate Matte node, connected to a plate and a clean plate where their two nodes are selected": (
        "Einen Cleanplate-Matte-Node hinzufügen, verbunden mit Plate und Clean Plate, wenn deren zwei Nodes "
        "ausgewählt sind"
    ),
    "Address of the matting server. Empty: $CLEANPLATE_SERVER, else the default address": (
        "Adresse des Matting-Servers. Leer: $CLEANPLATE_SERVER, sonst die Standardadresse"
    ),
    "Ask the matting server whether it is there": "Den Matting-Server fragen, ob er da ist",
    "CPU Only": "Nur CPU",
    "Cancel": "Abbrechen",
    "Cancel Learn": "Lernen abbrechen",
    "Cancel Setup": "Einrichtung abbrechen",
    "Cleanplate Matte": "Cleanplate Matte",
    "Cleanplate Warning": "Cleanplate-Warnung",
    "Clear Cache": "Cache leeren",
    "Command": "Befehl",
    "Compare Inputs": "Eingaben vergleichen",
    "Compare the pictures that feed the node with those that its results were made from": (
        "Die Bilder, die in den Node gehen, mit denen vergleichen, aus denen seine Ergebnisse gemacht wurden"
    ),
    "Delete Results": "Ergebnisse löschen",
    "Comparing {count}: their files have new times": ("{count} werden verglichen: Ihre Dateien haben neue Zeiten"),
    "Copy Former Results": "Frühere Ergebnisse kopieren",
    "Copy the results from where this node was copied, or its file was saved elsewhere": (
        "Die Ergebnisse von dort kopieren, wo dieser Node kopiert oder seine Datei anderswo gespeichert wurde"
    ),
    "Delete the server that Set Up Server has installed": (
        "Den Server löschen, den „Server einrichten“ installiert hat"
    ),
    "Delete this node's results from disk": "Die Ergebnisse dieses Nodes von der Platte löschen",
    "File": "Datei",
    "Files Seen": "Gesehene Dateien",
    "Former Results": "Frühere Ergebnisse",
    "Frame": "Bild",
    "Frame {frame}": "Bild {frame}",
    "Frame {frame} (stale)": "Bild {frame} (veraltet)",
    "Frames": "Bilder",
    "Frames to solve, such as 1-100x2,120. Empty: the scene's range": (
        "Zu lösende Bilder, etwa 1-100x2,120. Leer: der Bereich der Szene"
    ),
    "Id": "Kennung",
    "Install the matting server on this machine, into a folder of its own. Nothing is added to Blender's Python": (
        "Den Matting-Server auf diesem Rechner in einen eigenen Ordner installieren. Blenders Python bleibt gleich"
    ),
    "Install the smaller build of PyTorch, for machines without an NVIDIA GPU": (
        "Den kleineren Build von PyTorch installieren, für Rechner ohne NVIDIA-GPU"
    ),
    "Keep the matte of this frame, as Core, Holdout or Key Matte mend it, for Learn": (
        "Die Maske dieses Bildes, wie Core, Holdout oder Key Matte sie ausbessern, zum Lernen behalten"
    ),
    "Keep the results of the present settings": "Die Ergebnisse der jetzigen Einstellungen behalten",
    "Key Frames": "Schlüsselbilder",
    "Key file for an encrypted server": "Schlüsseldatei für einen verschlüsselten Server",
    "Keys": "Schlüssel",
    "Learn": "Lernen",
    "Learn this shot from its key frames, or from the shot itself where there are none": (
        "Diesen Shot aus seinen Schlüsselbildern lernen, oder aus dem Shot selbst, wenn es keine gibt"
    ),
    "Learned From": "Gelernt aus",
    "Learned Weights": "Gelernte Gewichte",
    "Matte with the weights that Learn made of this shot": (
        "Mit den Gewichten freistellen, die „Lernen“ aus diesem Shot gemacht hat"
    ),
    "Only Old Results": "Nur alte Ergebnisse",
    "Open the folder of this node's results": "Den Ordner mit den Ergebnissen dieses Nodes öffnen",
    "Package": "Paket",
    "Pictures": "Bildinhalt",
    "Remove Key Frame": "Schlüsselbild entfernen",
    "Remove Server": "Server entfernen",
    "Rendering": "Es wird gerendert",
    "Results": "Ergebnisse",
    "Server": "Server",
    "Set Up": "Einrichten",
    "Set Up Server": "Server einrichten",
    "Show in Folder": "Ordner zeigen",
    "Solve Frame": "Bild lösen",
    "Solve Range": "Bereich lösen",
    "Solve every frame of the range whose result is not fresh": (
        "Jedes Bild des Bereichs lösen, dessen Ergebnis nicht aktuell ist"
    ),
    "Solve the current frame, even where its result is fresh": (
        "Das jetzige Bild lösen, auch wenn sein Ergebnis aktuell ist"
    ),
    "Start": "Starten",
    "Start Server": "Server starten",
    "Start a matting server on this machine; it stops with Blender. One that already runs is used as it is": (
        "Einen Matting-Server auf diesem Rechner starten; er endet mit Blender. Läuft schon einer, wird der benutzt"
    ),
    "Stop": "Anhalten",
    "Stop Server": "Server anhalten",
    "Stop learning after the current step; what was gained is kept": (
        "Das Lernen nach dem jetzigen Schritt anhalten; was gewonnen wurde, bleibt"
    ),
    "Stop setting up the server. Set Up Server continues it later": (
        "Die Einrichtung des Servers anhalten. „Server einrichten“ setzt sie später fort"
    ),
    "Stop the matting server that this Blender has started": (
        "Den Matting-Server anhalten, den dieses Blender gestartet hat"
    ),
    "Stop the solve, or the wait for the server; frames that are done stay": (
        "Das Lösen oder das Warten auf den Server anhalten; fertige Bilder bleiben"
    ),
    "Waits for the server": "Wartet auf den Server",
    "Take this frame off the list of key frames": "Dieses Bild von der Liste der Schlüsselbilder nehmen",
    "Tell what a render had to do without": "Sagen, was einem Render gefehlt hat",
    "Test": "Prüfen",
    "Test Server": "Server prüfen",
    "The 'cleanplate' command, for starting a server on this machine": (
        "Der Befehl 'cleanplate', um auf diesem Rechner einen Server zu starten"
    ),
    "The key frames have changed since: Learn again.": (
        "Die Schlüsselbilder haben sich seitdem geändert: noch einmal lernen."
    ),
    "The key frames that they were learned from": "Die Schlüsselbilder, aus denen sie gelernt wurden",
    "Their file, in the node's own folder": "Ihre Datei im Ordner des Nodes",
    "Unknown: input files were put there again with their old sizes and times. Compare Inputs tells.": (
        "Unbekannt: Eingabedateien wurden mit alter Größe und Zeit neu abgelegt. „Eingaben vergleichen“ prüft es."
    ),
    "Unknown: the server was not asked yet which model it runs.": (
        "Unbekannt: Der Server wurde noch nicht gefragt, welches Modell er benutzt."
    ),
    "Unknown: {what} cannot be compared. Solve again after a change.": (
        "Unbekannt: {what} lässt sich nicht vergleichen. Nach einer Änderung neu lösen."
    ),
    "Use Learned Weights": "Gelernte Gewichte benutzen",
    "What Set Up Server installs with pip: a name, a wheel or a checkout": (
        "Was „Server einrichten“ mit pip installiert: ein Name, ein Wheel oder ein Checkout"
    ),
    "Where results are kept, a folder for each node. The node plays them from here": (
        "Wo die Ergebnisse liegen, ein Ordner für jeden Node. Der Node spielt sie von hier ab"
    ),
    "Where this node's results were before it was copied, or its file was saved elsewhere": (
        "Wo die Ergebnisse dieses Nodes lagen, bevor er kopiert oder seine Datei anderswo gespeichert wurde"
    ),
    "Makes a Python environment and installs Cleanplate's server in it:": (
        "Macht eine Python-Umgebung und installiert darin den Server von Cleanplate:"
    ),
    "About 1 GB is downloaded.": "Etwa 1 GB wird heruntergeladen.",
    "About 3 GB are downloaded (CPU only: 1 GB).": "Etwa 3 GB werden heruntergeladen (nur CPU: 1 GB).",
    "Offline: the package is a local wheel, beside which lies what it needs.": (
        "Offline: Das Paket ist ein lokales Wheel, neben dem liegt, was es braucht."
    ),
    "{address}: Cleanplate {version}": "{address}: Cleanplate {version}",
    "{address}: no answer": "{address}: antwortet nicht",
    "{address}: started by this Blender": "{address}: von diesem Blender gestartet",
    "The server is starting": "Der Server startet",
    "{address}: not asked yet": "{address}: noch nicht gefragt",
    "{count} missing": "{count} fehlen",
    "{count} solved": "{count} gelöst",
    "{count} stale": "{count} veraltet",
    "{count} unknown": "{count} unbekannt",
    "{done} of {total}": "{done} von {total}",
    # What the choices of options mean.
    "Chosen by the server": "Vom Server gewählt",
    "The network of this project, made for a plate and its clean plate": (
        "Das Netz dieses Projekts, gemacht für Plate und Clean Plate"
    ),
    "A plain difference key, without a network": "Ein einfacher Differenz-Key, ohne Netz",
    "16 bits a channel": "16 Bit je Kanal",
    "32 bits a channel": "32 Bit je Kanal",
    "Off": "Aus",
    "Without loss, blocks of 16 lines": "Verlustfrei, Blöcke von 16 Zeilen",
    "Without loss, line by line": "Verlustfrei, Zeile für Zeile",
    "Without loss, best for grain": "Verlustfrei, am besten für Korn",
    "Without loss, fast and large": "Verlustfrei, schnell und groß",
    "Without loss in half, nearly so in float": "Verlustfrei in Half, fast verlustfrei in Float",
    "With loss, of a fixed size": "Mit Verlust, von fester Größe",
    "With loss, small where the picture is flat": "Mit Verlust, klein, wo das Bild flach ist",
    "With loss, small": "Mit Verlust, klein",
    "With loss, smallest": "Mit Verlust, am kleinsten",
}
"""Each text of the interface, and its German words. Names in braces are filled in."""

GROUPS = {
    "Matte": "Maske",
    "Clean plate": "Clean Plate",
    "Input": "Eingabe",
    "Foreground": "Vordergrund",
    "Edge": "Kante",
    "Output": "Ausgabe",
}
"""The groups of options."""

OPTIONS = {
    "model": (
        "Modell",
        "Welches Modell freistellt. 'auto' ist das eigene Netz von Cleanplate, wenn seine Gewichte installiert "
        "sind, sonst der Differenz-Key. 'v1' und 'v2' sind die veröffentlichten Netze von Background Matting, "
        "deren Gewichte man selbst mitbringt",
    ),
    "weights": (
        "Gewichte",
        "Datei mit Gewichten: die von 'cleanplate learn' für diesen Shot, oder die von v1 und v2. Leer: die des "
        "Modells",
    ),
    "precision": (
        "Genauigkeit",
        "Rechengenauigkeit im Netz. 'auto' ist float32 auf der CPU und float16 auf einer GPU",
    ),
    "align": (
        "Clean Plate ausrichten",
        "Wie die Clean Plate auf die Plate gelegt wird. 'auto' misst es und nimmt die einfachste Abbildung",
    ),
    "match_exposure": (
        "Belichtung angleichen",
        "Verstärkung und Versatz der Clean Plate je Kanal ausgleichen, gemessen außerhalb des Motivs",
    ),
    "region": (
        "Bereich",
        "Wo das Motiv gesucht wird: 'x y Breite Höhe' in Pixeln der Plate, y nach unten. Leer: das ganze Bild",
    ),
    "foreground": (
        "Vordergrund",
        "'solve' berechnet den Vordergrund aus der Plate, ohne Begrenzung; 'network' nimmt den des Modells",
    ),
    "black_point": ("Schwarzpunkt", "Alpha bis zu diesem Wert wird 0"),
    "white_point": ("Weißpunkt", "Alpha ab diesem Wert wird 1"),
    "gamma": ("Gamma", "Über 1 wird die halbdurchsichtige Kante fester"),
    "erode": (
        "Schrumpfen",
        "Die Maske schrumpfen (positiv) oder wachsen lassen (negativ), auch um Teile eines Pixels",
    ),
    "softness": ("Weichheit", "Weichzeichnung der Kante"),
    "despeckle": ("Entflecken", "Inseln entfernen und Löcher füllen, die weniger Pixel haben als hier angegeben"),
    "temporal": (
        "Zeitliche Glättung",
        "Verringert Flackern: wie weit Alpha den Bildern davor und danach folgt, wo sie dasselbe zeigen. 0 ist aus",
    ),
    "bit_depth": ("Bittiefe", "Bittiefe der EXR-Dateien mit den Ergebnissen"),
    "compression": ("Kompression", "Kompression der EXR-Dateien mit den Ergebnissen"),
    "layer_shadow": (
        "Schattenebene",
        "Den Schatten des Motivs als Ebene „shadow“ hinzufügen: ein Faktor für den neuen Hintergrund, 1, wo sich "
        "nichts geändert hat",
    ),
}
"""Each option's label and help."""
