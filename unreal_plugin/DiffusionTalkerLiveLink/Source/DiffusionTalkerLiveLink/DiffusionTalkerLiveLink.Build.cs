using UnrealBuildTool;

public class DiffusionTalkerLiveLink : ModuleRules
{
	public DiffusionTalkerLiveLink(ReadOnlyTargetRules Target) : base(Target)
	{
		// Private/dt is plain C++ that knows no Unreal header: no precompiled header may be put before
		// it, and its files stay translation units of their own.
		PCHUsage = PCHUsageMode.NoPCHs;
		bUseUnity = false;
		bEnableExceptions = false;
		bUseRTTI = false;

		PublicDependencyModuleNames.AddRange(new string[]
		{
			"AudioMixer",
			"Core",
			"CoreUObject",
			"Engine",
			"LiveLinkInterface",
		});
		PrivateDependencyModuleNames.AddRange(new string[]
		{
			"InputCore",
			"Slate",
			"SlateCore",
		});

		// No third-party binaries: the sockets of the system are all that is linked.
		if (Target.Platform == UnrealTargetPlatform.Win64)
		{
			PublicSystemLibraries.Add("ws2_32.lib");
		}
	}
}
